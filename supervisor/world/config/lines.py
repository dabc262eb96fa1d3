"""Where in the text of a TOML file each key stands, for messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_TOKEN = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}]|\n''',
    re.DOTALL,
)


def line_of(text: str, where: tuple[str | int, ...]) -> int | None:
    """Return the number of the line on which the key at `where` stands, or that of its closest table."""
    best: tuple[int, int] | None = None  # parts matched, line
    for line, found in _keys(text):
        if found == where[: len(found)] and (best is None or len(found) > best[0]):
            best = (len(found), line)
    return best[1] if best else None


def _keys(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Yield each table header and key of the file with its line."""
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    lines = text.split("\n")
    for number in _beginnings(text):
        line = lines[number]
        header = _TABLE.match(line)
        if header:
            table = _indexed(_parts(header[2]), counts, begins=header[1] == "[[")
            yield number + 1, table
        elif key := _KEY.match(line):
            yield number + 1, (*table, *_parts(key[1]))


def _indexed(
    parts: tuple[str, ...], counts: dict[tuple[str | int, ...], int], *, begins: bool
) -> tuple[str | int, ...]:
    """Return a table's place, with the number of the entry behind the name of each list of tables."""
    place: tuple[str | int, ...] = ()
    for depth, part in enumerate(parts, start=1):
        place = (*place, part)
        if begins and depth == len(parts):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _beginnings(text: str) -> Iterator[int]:
    """Yield the numbers, from 0, of lines that do not begin inside a text or a bracket of an earlier one."""
    yield 0
    number = depth = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n":
                number += 1
                if depth == 0:
                    yield number
            case other:
                number += other.count("\n")


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
