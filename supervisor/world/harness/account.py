"""What changes in the home of the account while a session runs: what its agent logs in with and is set by, and what is new there.

Who changed it nobody knows: other sessions and people use that home too. Where an agent keeps its own history is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

_RESTLESS = frozenset({".gnupg"})  # each signature changes its random seed
_NAMES = 4096  # names in the home that are remembered; a home with more of them is not asked for new ones
_SMALL = 1 << 16  # bytes of a file that is read
_ENTRIES = 256  # entries of one folder of settings


def as_it_is(user: Path, known: Iterable[Path]) -> dict[str, Any]:
    """Return how the home of an account is now, as JSON has it: the names in it, and the state of `known` files and folders below it."""
    looked = [str(each) for each in known if each.is_relative_to(user) and each.name not in _RESTLESS]
    stamps = {path: stamp for each in looked for path, stamp in _stamps(Path(each))}
    # In a home that is a checkout new names are work.
    names = None if (user / ".git").exists() else _names(user)
    return {"home": str(user), "known": looked, "names": names, "stamps": stamps}


def changed(before: bytes | str) -> list[str]:
    """Return what is another one now than in the JSON text of `as_it_is`, as paths below `~`; nothing where it is no such text.

    The session may have written the text itself, whatever it says.
    """
    try:
        then = json.loads(before)
        user = Path(then["home"])
        now = as_it_is(user, map(Path, then["known"]))
        stamps = dict(then["stamps"])
        paths = stamps.keys() | now["stamps"].keys()
        other = {
            f"~/{Path(path).relative_to(user)}"
            for path in paths
            if stamps.get(path) != now["stamps"].get(path)
        }
        return sorted(other | _fresh(then["names"], now["names"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _fresh(before: list[str] | None, after: list[str] | None) -> set[str]:
    if before is None or after is None or len(after) >= _NAMES:
        return set()
    return {f"~/{name}" for name in set(after) - set(before)}


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _NAMES))
    except OSError:
        return []


def _stamps(path: Path) -> Iterator[tuple[str, str]]:
    """Yield a path, or the entries of a folder, with what differs when it was changed."""
    try:
        found = path.stat()
        inside = _names(path)[:_ENTRIES] if stat.S_ISDIR(found.st_mode) else None
    except OSError:
        return
    if inside is None:
        yield str(path), _stamp(path, found)
        return
    for name in inside:
        try:
            entry = (path / name).stat()
        except OSError:
            continue
        yield str(path / name), _stamp(path / name, entry)


def _stamp(path: Path, found: os.stat_result) -> str:
    """Return what tells a file by its content, where that is small: some agents write the same anew at each start."""
    if stat.S_ISREG(found.st_mode) and found.st_size <= _SMALL:
        try:
            return hashlib.blake2b(path.read_bytes()[: _SMALL + 1], digest_size=16).hexdigest()
        except OSError:
            return "unreadable"
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
