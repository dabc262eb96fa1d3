"""Files that git would write over without a word: those that it ignores, where a commit brings one of that name."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from supervisor.world.git.run import GitError, git
from supervisor.world.git.salvage.index import Entry, parse_raw
from supervisor.world.threads import in_thread


async def spare_ignored(tree: Path, old: str, new: str, env: Mapping[str, str]) -> None:
    """See that nothing lies where the commit `new` has files that `old` has not, unless it is the very same.

    Of what is tracked, and of untracked files that are not ignored, git takes care itself.

    Raises:
        GitError: something does; `stderr` names it.
    """
    command = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    changes = parse_raw(await git(tree, *command, extra_env=dict(env)))
    added = {path: entry for path, (before, entry) in changes.items() if before is None and entry is not None}
    gone = {path for path, (_, entry) in changes.items() if entry is None}
    there = await in_thread(_there, tree, added, gone)
    if not there:
        return
    tracked = await git(
        tree, "ls-files", "-z", "--", *there, extra_env=dict(env) | {"GIT_LITERAL_PATHSPECS": "1"}
    )
    for path in there - set(os.fsdecode(tracked).split("\0")):
        if path not in added or not await _is_same(tree, path, added[path]):
            raise GitError(f"{path} is in the way", stderr=f"Ignored file '{path}' would be overwritten")


def _there(tree: Path, added: Mapping[str, Entry], gone: set[str]) -> set[str]:
    """Return what is in the place of added files, or of a folder above one."""
    found: set[str] = set()
    for path in added:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            try:
                mode = os.lstat(tree / name).st_mode
            except OSError:
                break
            if depth == len(parts) or not stat.S_ISDIR(mode):
                if name not in gone and not stat.S_ISDIR(mode):  # of a folder git takes care too
                    found.add(name)
                break
    return found


async def _is_same(tree: Path, path: str, entry: Entry) -> bool:
    """Tell whether the file there is what the commit has."""
    if not await in_thread(lambda: (tree / path).is_file() and not (tree / path).is_symlink()):
        return False
    answer = await git(tree, "hash-object", "--", path)
    return answer.decode().strip() == entry.oid
