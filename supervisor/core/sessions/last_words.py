"""The line of an error log that says why a program ended: it may stand above or below where in its code that was."""

from __future__ import annotations

import re

_LEVEL = re.compile(r"\W*(?:ERROR|FATAL|CRITICAL)\b[\]:]*\s*")  # what a logger puts before its words
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")  # and other control characters
_FRAME = re.compile(r"^[─━│┃┌┐└┘╭╮╰╯]+\s*|\s*[─━│┃┌┐└┘╭╮╰╯]+$")  # a box that is drawn around words
_TRACE = re.compile(
    r"\s|[\[\](){}^~]+$|(?-i:at(?: |$))|Node\.js v\d|Bun v\d|node:internal|note: run with|Traceback |File \"|\W*warn",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"error|exception|no such|fatal|panic|fail|refused|denied|abort|cannot|could not|unable|no space|not found|"
    r"invalid|unknown|unexpected|killed|\b(?-i:E[A-Z]{4,})\b",
    re.IGNORECASE,
)


def telling_line(errors: str) -> str:
    """Return the last line that speaks of an error and is no part of a trace.

    Else the last line, or the first where that is the end of an indented list, as of options; "" of nothing. Colours and boxes are left out.
    """
    plain = (_FRAME.sub("", _COLOURS.sub("", line)).rstrip() for line in errors.splitlines())
    lines = [line for line in plain if line]
    for line in reversed(lines):
        level = _LEVEL.match(line)
        words = line[level.end() :] if level else line
        if _says_more(words) and not _TRACE.match(words) and (level or _ERROR.search(words)):
            return words
    if not lines:
        return ""
    return (lines[0] if lines[-1][0].isspace() else lines[-1]).strip()


def _says_more(words: str) -> bool:
    """Tell whether words are more than the heading of what follows or went before."""
    return words.strip(" :").lower() not in {"", "error", "errors", "fatal", "failed"}
