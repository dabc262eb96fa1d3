"""Changes that `git status` passes over: of files that git was told to take for unchanged, or not to check out."""

from __future__ import annotations

import os

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.index import Entry, ask, temporary_index
from supervisor.world.threads import in_thread


async def hidden(tree: Repository) -> tuple[str, ...]:
    """Return the paths flagged `skip-worktree` or `assume-unchanged` that are not as the index has them.

    What is not there is no change of the first kind: a sparse checkout leaves files out so.

    Raises:
        GitError: the index cannot be read.
        OSError: there is no room for a temporary file.
    """
    flagged: dict[str, str] = {}
    for line in os.fsdecode(await ask(tree, "ls-files", "-v", "-z")).split("\0"):
        letter, _, path = line.partition(" ")
        if letter.islower() or letter == "S":
            flagged[path] = letter
    if not flagged:
        return ()
    entries: list[tuple[str, Entry]] = []
    for line in os.fsdecode(await ask(tree, "ls-files", "--stage", "-z")).split("\0"):
        fields, _, path = line.partition("\t")
        if path in flagged:
            mode, oid, _ = fields.split(" ")
            entries.append((path, Entry(mode, oid)))
    with temporary_index(tree) as index:
        await index.set(entries)
        try:
            await index.run("update-index", "-q", "--refresh")
        except GitError as error:
            if error.status != 1:  # some are not as the index has them
                raise
        changed = os.fsdecode(await index.run("diff-files", "--name-only", "-z")).split("\0")
    return await in_thread(
        lambda: tuple(
            path for path in changed if path and (flagged[path] not in "Ss" or _is_there(tree, path))
        )
    )


def _is_there(tree: Repository, path: str) -> bool:
    return os.path.lexists(tree.root / path)
