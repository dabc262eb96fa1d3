"""When a limit ends, from the words of those who tell it: providers and agents say so in many ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_LATEST = 40 * 86_400.0  # seconds; what is further away is no reset
_WORDS = 2000  # characters that are read
_SPAN = (
    r"(?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
    r"(?![a-z])[\s,]*(?:and\s+)?)+"
)
_AFTER = re.compile(
    rf"(?:try again|retry|retrying|resets?|wait|available again|retry.?delay)[\"']?\s*(?:in|after|for|:)?[\s\"':]*({_SPAN})",
    re.IGNORECASE,
)
_RETRY_AFTER = re.compile(
    r"retry[-_ ]after(?:[\"']?\s*[:=]\s*[\"']?|\s+)(\d+(?:\.\d+)?)(?!\d|\.|\s*[mhd])", re.IGNORECASE
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|s|m|h|d)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_EPOCH = re.compile(r"(?:\||reset\w*[\"':=\s]+(?:at[\"':=\s]+)?)(\d{10})(?:\d{3})?\b", re.IGNORECASE)
_ISO = re.compile(
    r"(?:try again|resets?|available|until|after)\D{0,20}(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d))",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"resets?\s+(?:at\s+)?(?:(?P<month>[A-Z][a-z]{2})[a-z]*\s+(?P<day>\d{1,2})(?:,?\s+at|,)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)\s*\((?P<zone>[A-Za-z_]+(?:/[A-Za-z_+-]+)*)\)",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def reset_in(words: str, now: float) -> float | None:
    """Return when (Unix seconds) a limit ends as its words say, given when they were said; `None` where they do not."""
    for at in _told(words[:_WORDS], now):
        if now < at <= now + _LATEST:
            return at
    return None


def _told(words: str, now: float) -> Iterator[float]:
    """Yield each reading of the words, the surest first."""
    if found := _EPOCH.search(words):
        yield float(found[1])
    if found := _ISO.search(words):
        yield datetime.fromisoformat(found[1]).timestamp()
    if found := _CLOCK.search(words):
        yield from _by_clock(found, now)
    if found := _RETRY_AFTER.search(words):
        yield now + float(found[1])
    if found := _AFTER.search(words):
        yield now + sum(float(count) * _unit(unit) for count, unit in _PART.findall(found[1]))


def _unit(word: str) -> float:
    word = word.lower()
    return _UNITS["ms"] if word.startswith(("ms", "milli")) else _UNITS[word[0]]


def _by_clock(found: re.Match[str], now: float) -> Iterator[float]:
    """Yield the next time that a clock shows this, in its own zone."""
    try:
        zone = ZoneInfo(found["zone"])
        hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "pm" else 0)
        today = datetime.fromtimestamp(now, zone)
        at = today.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"]:
            at = at.replace(month=_MONTHS.index(found["month"].lower()) + 1, day=int(found["day"]))
            at = at if at > today - timedelta(days=1) else at.replace(year=at.year + 1)
        elif at <= today:
            at += timedelta(days=1)
    except (KeyError, ValueError, OSError):  # no such zone, month or day
        return
    yield at.astimezone(UTC).timestamp()
