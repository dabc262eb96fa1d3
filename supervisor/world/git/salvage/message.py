"""The message of a salvage commit: sentences for people, and trailers that say whose work it is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.world.git.history import SESSION_TRAILER, TASK_TRAILER

_LISTED = 1000  # paths by name in a message; the commit itself has them all
_OUTCOME, _BASE, _STAGED, _UNLEASED, _UNKEPT = "Outcome", "Base", "Staged", "Unleased", "Unkept"
_PATH, _NEIGHBOUR, _RAW, _MORE = "Path", "Neighbour", "Raw", "More-Paths"
_PREFIX = "Leasehold-"
_LINE = re.compile(r"^(Leasehold-[A-Za-z-]+): (.*)$")
_QUOTED = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a salvage is of. `session` is empty for files that belonged to no session.

    `base` is the commit that was checked out (empty: none yet), `staged` the commit of staged versions that
    are not the work tree's (empty: there are none). A message lists so many paths only; `more` counts the rest.
    """

    session: str
    task: str
    outcome: str
    base: str = ""
    staged: str = ""
    paths: tuple[str, ...] = ()
    unleased: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    unkept: Mapping[str, str] = field(default_factory=dict)
    more: int = 0


def render(label: Label) -> str:
    """Return the message of a salvage."""
    count = len(label.paths) + len(label.unleased)
    files = f"{count} uncommitted file{'s' * (count != 1)}"
    whose = f"session {label.session}" if label.session else "no session"
    trailers = [
        (SESSION_TRAILER, label.session),
        (TASK_TRAILER, label.task),
        (_PREFIX + _OUTCOME, label.outcome),
        (_PREFIX + _BASE, label.base),
        (_PREFIX + _STAGED, label.staged),
        *_paths(_PATH, label.paths),
        *_paths(_UNLEASED, label.unleased),
        *_paths(_RAW, label.raw),
        *((_PREFIX + _NEIGHBOUR, name) for name in label.neighbours),
        *((_PREFIX + _UNKEPT, f"{quote(path)}: {why}") for path, why in list(label.unkept.items())[:_LISTED]),
    ]
    lines = [f"{key}: {_one_line(value)}" for key, value in trailers if value]
    return f"Salvage of {whose}: {files}\n\n" + "\n".join(lines) + "\n"


def parse(message: str) -> Label:
    """Return the label in a message; what this version does not know is passed over."""
    found: dict[str, list[str]] = {}
    for line in message.splitlines():
        match = _LINE.match(line)
        if match:
            found.setdefault(match[1], []).append(match[2])

    def first(key: str) -> str:
        return found.get(key, [""])[0]

    def names(key: str) -> tuple[str, ...]:
        return tuple(unquote(value) for value in found.get(_PREFIX + key, ()))

    return Label(
        session=first(SESSION_TRAILER),
        task=first(TASK_TRAILER),
        outcome=first(_PREFIX + _OUTCOME),
        base=first(_PREFIX + _BASE),
        staged=first(_PREFIX + _STAGED),
        paths=names(_PATH),
        unleased=names(_UNLEASED),
        neighbours=tuple(found.get(_PREFIX + _NEIGHBOUR, ())),
        raw=names(_RAW),
        unkept=dict(_reason(value) for value in found.get(_PREFIX + _UNKEPT, ())),
        more=sum(int(value) for value in found.get(_PREFIX + _MORE, ()) if value.isdecimal()),
    )


def quote(path: str) -> str:
    """Return a path on one line, in the notation that git uses for unusual ones."""
    raw = os.fsencode(path)
    if not _QUOTED.search(raw) and not path.startswith(" ") and not path.endswith(" ") and ": " not in path:
        return path
    return '"' + _QUOTED.sub(lambda match: b"\\%03o" % match[0][0], raw).decode("ascii") + '"'


def unquote(text: str) -> str:
    """Return the path that `quote` wrote."""
    if not (len(text) >= 2 and text.startswith('"') and text.endswith('"')):
        return text
    raw = re.sub(
        rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text[1:-1].encode("ascii", "replace")
    )
    return os.fsdecode(raw)


def _paths(key: str, paths: tuple[str, ...]) -> list[tuple[str, str]]:
    shown = [(_PREFIX + key, quote(path)) for path in paths[:_LISTED]]
    if len(paths) > _LISTED:
        shown.append((_PREFIX + _MORE, str(len(paths) - _LISTED)))
    return shown


def _reason(value: str) -> tuple[str, str]:
    path, _, why = value.partition(": ")
    return unquote(path), why


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text or "\r" in text else text
