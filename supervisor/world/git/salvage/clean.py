"""Restore paths to the last commit, once they are safe in a salvage and still exactly what it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from supervisor.world.git.index_lock import once_unlocked
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.index import (
    Entry,
    ask,
    differences,
    entries,
    parse_raw,
)
from supervisor.world.git.salvage.keep import Kept
from supervisor.world.git.salvage.place import place
from supervisor.world.git.salvage.snapshot import GITLINK, take


async def clean(repo: Repository, kept: Kept, paths: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Restore `paths` in index and work tree; return those restored, and why others were left.

    The salvage must be durable. A path is left as it is when it differs from the salvage by now, and so
    is a submodule: its files are a repository of their own.

    Raises:
        GitError: git cannot read the repository or write into it.
        OSError: there is no room for a temporary file.
    """
    wanted = tuple(dict.fromkeys(paths))
    now = await take(repo, wanted)
    left = dict(now.unkept)
    changed = set(await differences(repo, kept.tree, now.tree))
    moved = await differences(repo, now.base_tree, now.tree)
    for path in wanted:
        if path in changed:
            left.setdefault(path, "it changed after it was salvaged")
        elif any(entry and entry.mode == GITLINK for entry in moved.get(path, ())):
            left.setdefault(path, "a submodule; its files are a repository of their own")
    restored = [path for path in wanted if path not in left]
    try:
        await _reset_index(repo, now.base_tree, restored)
    except GitError as error:
        return (), left | dict.fromkeys(restored, str(error))
    below = [path for path in moved if path not in wanted and any(p in restored for p in _above(path))]
    wrong = await place(repo, {path: moved[path][0] for path in (*restored, *below) if path in moved})
    return tuple(path for path in restored if path not in wrong), left | wrong


def _above(path: str) -> Iterator[str]:
    """Yield the folders above a path. What lay in one that became a file or link is gone with it.

    git's status does not always say so: of a link that leads to itself it names the link alone.
    """
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


async def _reset_index(repo: Repository, base_tree: str, paths: list[str]) -> None:
    """Set what is staged of `paths` back to the commit, waiting a little for whoever has the index."""
    wanted = set(paths)
    output = await ask(
        repo, "diff-index", "--cached", "--raw", "-r", "-z", "--no-renames", "--no-abbrev", base_tree
    )
    staged = {path: old for path, (old, _) in parse_raw(output).items() if path in wanted}
    staged |= await _unmerged(repo, base_tree, wanted)
    if not staged:
        return
    zero = "0" * len(base_tree)
    lines = "".join(
        f"{entry.mode} {entry.oid} 0\t{path}\0" if entry else f"000000 {zero} 0\t{path}\0"
        for path, entry in staged.items()
    )
    await once_unlocked(lambda: ask(repo, "update-index", "-z", "--index-info", stdin=os.fsencode(lines)))


async def _unmerged(repo: Repository, base_tree: str, wanted: set[str]) -> dict[str, Entry | None]:
    """Return the commit's version of those paths that the index has several versions of, after a conflict."""
    output = os.fsdecode(await ask(repo, "ls-files", "--unmerged", "-z"))
    paths = {line.partition("\t")[2] for line in output.split("\0")} & wanted
    committed = await entries(repo, base_tree) if paths else {}
    return {path: committed.get(path) for path in paths}
