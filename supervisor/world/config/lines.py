"""Where in the text of a TOML file a key stands, for messages; best effort, by its tables and keys."""

from __future__ import annotations

import re
from typing import Any

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, where: tuple[Any, ...]) -> int | None:
    """Return the number of the line on which the key at `where` stands, or that of its closest table."""
    best: tuple[int, int] | None = None  # parts matched, line
    table: tuple[Any, ...] = ()
    counts: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header = _TABLE.match(line)
        if header:
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found = table
        else:
            key = _KEY.match(line)
            if not key:
                continue
            found = (*table, *_parts(key[1]))
        if found == where[: len(found)] and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _parts(dotted: str) -> tuple[Any, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
