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
    names = [] if (user / ".git").exists() else _names(user)
    return {"home": str(user), "known": looked, "names": names, "stamps": stamps}


def changed(before: str) -> list[str]:
    """Return what is another one now than in the JSON text of `as_it_is`, as paths below `~`; nothing where it is no such text."""
    try:
        then = json.loads(before)
        user = Path(then["home"])
        now = as_it_is(user, map(Path, then["known"]))
        names, stamps = set(then["names"]), dict(then["stamps"])
    except (ValueError, KeyError, TypeError):
        return []
    fresh = {str(user / name) for name in now["names"]} if names and len(now["names"]) < _NAMES else set()
    fresh -= {str(user / name) for name in names}
    other = {
        path for path in stamps.keys() | now["stamps"].keys() if stamps.get(path) != now["stamps"].get(path)
    }
    return sorted(f"~/{Path(path).relative_to(user)}" for path in fresh | other)


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
