"""Whether an agent's program is still the one that a session was started with: many update themselves."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path


def stamps(program: Sequence[str]) -> bytes:
    """Return a line that tells which files a command runs now: those of its words that name one by an absolute path."""
    return json.dumps({word: found for word in program if (found := _stamp(word))}).encode()


def replaced(line: bytes | str) -> str:
    """Return the first file of such a line that is another one now, or gone; "" where all are the same or it is no such line."""
    try:
        known = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(known, dict):
        return ""
    return next((word for word, stamp in known.items() if _stamp(word) != stamp), "")


def _stamp(word: str) -> str:
    path = Path(word)
    try:
        found = path.stat() if path.is_absolute() else None
    except (OSError, ValueError):
        return ""
    if found is None or not stat.S_ISREG(found.st_mode):
        return ""
    return f"{os.major(found.st_dev)}:{os.minor(found.st_dev)} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
