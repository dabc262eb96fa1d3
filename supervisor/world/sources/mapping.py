"""From the keys and values that a source found to a task: one reader for all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from supervisor.core.tasks.task import Expects, Problem, Stage, Task, Tier
from supervisor.world.sources.values import Refused, duration, instant, line, lines, prose, shown
from supervisor.world.sources.vocabulary import (
    ALIAS_OF,
    KEYS,
    PRIORITY_OF,
    REQUIRES,
    STAGE_OF,
    TIER_OF,
    near,
    normal,
)

_KEY = 200  # characters
_TITLE = 500
_WORD = 200
_PATH = 4096
_BODY = 2 * 1024 * 1024
_ENTRIES = 1000
_PRIORITY = 1_000_000
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the configuration of a source says of all its tasks, used where a task says nothing itself."""

    repo: str = ""
    lane: str = ""
    tier: Tier = Tier.BACKLOG
    priority: int = 0
    harness: str | None = None
    model: str | None = None


def task_from_mapping(
    data: Mapping[Any, Any],
    *,
    source: str,
    where: str,
    defaults: Defaults,
    created: float,
    fallback: Mapping[str, object] = _NOTHING,
) -> Task | Problem:
    """Return the task that `data` describes, or why it cannot be one.

    `where` is what a person calls the entry, and the task's origin if it names none. `created` is the
    Unix time in seconds that counts if the entry has no date of its own, `fallback` has what else the
    source knows (keys by their own names). Keys of other tools are let be.
    """
    try:
        fields = {**fallback, **_fields(data)}
        return _task(fields, source=source, where=where, defaults=defaults, created=created)
    except Refused as refusal:
        return Problem(source, where, refusal.what, refusal.fix)


def hints(data: Mapping[Any, Any], *, source: str, where: str) -> tuple[Problem, ...]:
    """Return a problem for each key that is probably a slip of the pen for a key that would have counted.

    The task runs all the same: the key may belong to another tool.
    """
    found: list[Problem] = []
    for key in data:
        if isinstance(key, str) and normal(key) not in KEYS and normal(key) not in ALIAS_OF:
            meant = near(key)
            if meant is not None:
                what = f"the key {shown(key)} is not known and is ignored"
                found.append(Problem(source, where, what, f'did you mean "{meant}"?'))
    return tuple(found)


def held_until(data: Mapping[Any, Any]) -> float | None:
    """Return the Unix time in seconds before which a valid entry asks not to be run (`wait`), if it does."""
    value = _fields(data).get("wait")
    return None if value is None else instant("wait", value)


def _fields(data: Mapping[Any, Any]) -> dict[str, object]:
    """Return the known keys of `data` under their own names, leaving out those without a value."""
    own: dict[str, object] = {}
    other: dict[str, object] = {}
    for key, value in data.items():
        if not isinstance(key, str) or value is None:
            continue
        name = normal(key)
        if name in own:
            raise Refused(f'"{name}" is given twice', "keep one of them")
        (own if name in KEYS else other)[name] = value
    for alias, name in ALIAS_OF.items():
        if alias in other:
            own.setdefault(name, other[alias])
    return own


def _task(fields: dict[str, object], *, source: str, where: str, defaults: Defaults, created: float) -> Task:
    if "key" not in fields:
        raise Refused("the task has no key", 'add one that stays the same, for instance "key": "gh-12"')
    key = line("key", fields["key"], _KEY)
    stage = _stage(fields)
    instant("wait", fields.get("wait", 0))
    return Task(
        key=key,
        title=line("title", fields.get("title", key), _TITLE),
        source=source,
        repo=_word(fields, "repo") or defaults.repo,
        body=prose("body", fields.get("body", ""), _BODY),
        stage=stage,
        tier=_tier(fields, stage, defaults),
        priority=_priority(fields.get("priority", defaults.priority)),
        created=instant("created", fields.get("created", created)),
        lane=_word(fields, "lane") or defaults.lane,
        tags=lines("tags", fields.get("tags", ()), most=_ENTRIES, limit=_WORD, commas=True),
        requires=_requires(fields),
        paths=_scopes(fields, "paths"),
        shared_paths=_scopes(fields, "shared_paths"),
        resources=_scopes(fields, "resources"),
        budget=duration("budget", fields["budget"]) if "budget" in fields else None,
        harness=_word(fields, "harness") or defaults.harness,
        model=_word(fields, "model") or defaults.model,
        expects=_expects(fields),
        origin=line("origin", fields.get("origin", where), _PATH),
    )


def _word(fields: dict[str, object], name: str) -> str | None:
    return line(name, fields[name], _WORD) if name in fields else None


def _scopes(fields: dict[str, object], name: str) -> tuple[str, ...]:
    return lines(name, fields.get(name, ()), most=_ENTRIES, limit=_PATH)


def _requires(fields: dict[str, object]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in REQUIRES:
        found |= dict.fromkeys(lines(name, fields.get(name, ()), most=_ENTRIES, limit=_KEY, commas=True))
    return tuple(found)


def _stage(fields: dict[str, object]) -> Stage:
    """Return the stage; an open task that names something it waits for does wait."""
    value = fields.get("state", "open")
    stage = STAGE_OF.get(normal(value)) if isinstance(value, str) else None
    if stage is None:
        fix = "write open, active, waiting or done (the reference of task files lists the other words)"
        raise Refused(f"state is {shown(value)}", fix)
    if stage is not Stage.CLOSED and fields.get("waiting_for"):
        return Stage.WAITING
    return stage


def _tier(fields: dict[str, object], stage: Stage, defaults: Defaults) -> Tier:
    value = fields.get("tier")
    if value is None:
        return Tier.UNDER_WAY if stage is Stage.ACTIVE else defaults.tier
    tier = None if isinstance(value, bool) else TIER_OF.get(normal(str(value)))
    if tier is None:
        raise Refused(f"tier is {shown(value)}", "write 1 (under way), 2 (backlog) or 3 (standing)")
    return tier


def _priority(value: object) -> int:
    fix = "write a whole number (higher runs first), or urgent, high, medium, low or none"
    if isinstance(value, str):
        word = normal(value)
        if word in PRIORITY_OF:
            return PRIORITY_OF[word]
        if len(word) < 12 and word.removeprefix("_").isascii() and word.removeprefix("_").isdigit():
            value = -int(word[1:]) if word[0] == "_" else int(word)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"priority is {shown(value)}", fix)
    if abs(value) > _PRIORITY:
        raise Refused(f"priority is {shown(value)}", f"write a number between -{_PRIORITY} and {_PRIORITY}")
    return value


def _expects(fields: dict[str, object]) -> Expects:
    commit = fields.get("commit", True)
    if not isinstance(commit, bool):
        raise Refused(f"commit is {shown(commit)}", "write true if the work ends in a commit, else false")
    value = fields.get("expects", "commit" if commit else "nothing")
    word = normal(value) if isinstance(value, str) else ""
    if word not in (Expects.COMMIT.value, Expects.NOTHING.value):
        raise Refused(f"expects is {shown(value)}", "write commit or nothing")
    if "commit" in fields and commit != (word == "commit"):
        raise Refused(f"expects is {word}, yet commit is {shown(commit)}", "keep one of them")
    return Expects(word)
