"""Durations as people write them: "15m", "50m", "2h", "1h30m", "250ms"."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class DurationError(ValueError):
    """The text is not a duration."""


def parse_duration(text: str) -> float:
    """Return the seconds that `text` stands for.

    Parts may be joined ("1h30m"); the units are ms, s, m, h, d. A bare "0" is allowed.

    Raises:
        DurationError: the text is empty, has another unit, or no unit.
    """
    compact = text.strip().lower().replace(" ", "")
    if compact == "0":
        return 0.0
    seconds = 0.0
    end = 0
    for part in _PART.finditer(compact):
        if part.start() != end:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not compact or end != len(compact):
        raise DurationError(f'"{text}" is not a duration; write for instance "90s", "15m", "2h" or "1h30m"')
    return seconds


def format_duration(seconds: float) -> str:
    """Return a short text for `seconds`: "0.4s", "45s", "12m", "1h05m", "3d04h"."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}m{rest:02d}s" if rest and minutes < 10 else f"{minutes}m"
    if whole < 86400:
        hours, rest = divmod(whole // 60, 60)
        return f"{hours}h{rest:02d}m"
    days, rest = divmod(whole // 3600, 24)
    return f"{days}d{rest:02d}h"
