"""The line of an error log that says why a program ended: it may stand above or below where in its code that was."""

from __future__ import annotations

import re

_LEVEL = re.compile(r"\W*(?:ERROR|FATAL|CRITICAL)\b[\]:]*\s*")  # what a logger puts before its words
_TRACE = re.compile(
    r"\s|[\[\](){}^~]+$|at\b|Node\.js v\d|Bun v\d|node:internal|note: run with|Traceback |File \"|\W*warn",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"error|exception|fatal|panic|fail|refused|denied|abort|cannot|could not|unable|no space|not found|"
    r"invalid|unknown|unexpected|killed|\b(?-i:E[A-Z]{4,})\b",
    re.IGNORECASE,
)


def telling_line(errors: str) -> str:
    """Return the last line that speaks of an error and is no part of a trace, else the last line; "" of nothing."""
    lines = [line.rstrip() for line in errors.splitlines() if line.strip()]
    for line in reversed(lines):
        level = _LEVEL.match(line)
        words = line[level.end() :] if level else line
        if words and not _TRACE.match(words) and (level or _ERROR.search(words)):
            return words
    return lines[-1].strip() if lines else ""
