"""Reading one value of a task: the right type, within bounds, printable, or refused with the way out."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from supervisor.core.duration import DurationError, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_LONGEST_BUDGET = 30 * 86400.0
# Reordering characters make a line read differently from what it says; line separators split a log line.
_MISLEADING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


class Refused(ValueError):  # noqa: N818 - it is the sentence "this value is refused because", not a fault
    """A value of a task cannot be used: `what` is wrong with it, and `fix` is the way out."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def shown(value: object, limit: int = 60) -> str:
    """Return `value` as it can stand in a one-line message: escaped, quoted if text, cut at `limit`."""
    if isinstance(value, str):
        cut = value if len(value) <= limit else value[:limit] + "…"
        return '"' + "".join(_escaped(character) for character in cut) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a huge number" if abs(value) >= 1e15 else str(value)
    if isinstance(value, date):
        return value.isoformat()
    return {list: "a list", dict: "a mapping", type(None): "nothing"}.get(type(value), type(value).__name__)


def plain(text: str) -> str:
    """Return `text` with everything escaped that would garble a terminal or a log line."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _MISLEADING or unicodedata.category(character) in ("Cc", "Cs"):
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def line(name: str, value: object, limit: int) -> str:
    """Return `value` as one line of text of at most `limit` characters, without surrounding blanks.

    Numbers are taken as text, because `id: 12` is a natural thing to write.

    Raises:
        Refused: another type, empty, too long, or characters that a line cannot have.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Refused(f"{name} is {shown(value)}, not text", f"put the {name} in quotes")
    text = value.strip()
    if not text:
        raise Refused(f"{name} is empty", f"write a {name}, or leave the key out")
    if len(text) > limit:
        raise Refused(f"{name} has {len(text)} characters, more than {limit}", f"shorten the {name}")
    for character in text:
        if character in _MISLEADING or unicodedata.category(character) in ("Cc", "Cs"):
            raise Refused(f"{name} holds the control character {shown(character)}", "take it out")
    return text


def prose(name: str, value: object, limit: int) -> str:
    """Return `value` as text of several lines, of at most `limit` characters.

    Raises:
        Refused: not text, too long, or text that no program could be given (NUL, half a character).
    """
    if not isinstance(value, str):
        raise Refused(f"{name} is {shown(value)}, not text", f"put the {name} in quotes")
    if len(value) > limit:
        raise Refused(f"{name} has {len(value)} characters, more than {limit}", "shorten it")
    if "\0" in value:
        raise Refused(f"{name} holds a NUL character", "take it out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{name} holds half a character at {error.start}", "write it as UTF-8") from None
    return value.strip()


def lines(name: str, value: object, *, most: int, limit: int, commas: bool = False) -> tuple[str, ...]:
    """Return `value`, a list or a single text, as lines in their order, each once.

    With `commas`, a single text is split at them.

    Raises:
        Refused: another type, more than `most` entries, or an entry that is not a line.
    """
    if isinstance(value, str) and commas:
        entries: Iterable[object] = [part for part in value.split(",") if part.strip()]
    elif isinstance(value, str | int):
        entries = [value]
    elif isinstance(value, list | tuple):
        entries = value
    else:
        raise Refused(f"{name} is {shown(value)}, not a list", f'write {name} as a list: ["one", "two"]')
    found = dict.fromkeys(line(f"an entry of {name}", entry, limit) for entry in entries)
    if len(found) > most:
        raise Refused(
            f"{name} has {len(found)} entries, more than {most}", "name a folder or a pattern instead"
        )
    return tuple(found)


def duration(name: str, value: object) -> float:
    """Return the seconds of a duration such as "50m".

    Raises:
        Refused: not such a text, nothing, or longer than thirty days.
    """
    if not isinstance(value, str):
        raise Refused(f"{name} is {shown(value)}, without a unit", f'write for instance {name}: "50m"')
    try:
        seconds = parse_duration(value)
    except DurationError:
        raise Refused(
            f"{name} is {shown(value)}, not a duration", 'write for instance "50m" or "2h"'
        ) from None
    if not 0 < seconds <= _LONGEST_BUDGET:
        raise Refused(f"{name} is {shown(value)}", "write more than nothing and at most 30d")
    return seconds


def instant(name: str, value: object) -> float:
    """Return the Unix time in seconds of an ISO date, an ISO date and time, or a number of seconds.

    Without a zone it is UTC.

    Raises:
        Refused: none of these, or outside the years that a calendar has.
    """
    try:
        seconds = _instant(value)
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds <= _LATEST:
        raise Refused(
            f"{name} is {shown(value)}, not a date", "write for instance 2026-05-10 or 2026-05-10T07:49:00Z"
        )
    return seconds


def _instant(value: object) -> float:
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return math.nan
