"""Named pipes in the place of files that git reads wherever it looks: it waits for who writes into them, for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ = (".gitignore", ".gitattributes")


def pipes(root: Path) -> list[str]:
    """Return them, relative to the root of a work tree. Blocks for a walk through all of it."""
    found = []
    for folder, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in _READ:
            if name in names:
                path = os.path.join(folder, name)  # noqa: PTH118
                if _is_pipe(path):
                    found.append(os.path.relpath(path, root))
    return found


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.lstat(path).st_mode)
    except OSError:
        return False
