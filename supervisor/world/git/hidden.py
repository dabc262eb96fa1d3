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
    flagged = await in_thread(_flagged, tree, await ask(tree, "ls-files", "-v", "-z"))
    if not flagged:
        return ()
    entries = await in_thread(_entries, await ask(tree, "ls-files", "--stage", "-z"), flagged)
    with temporary_index(tree) as index:
        await index.set(entries)
        try:
            await index.run("update-index", "-q", "--refresh")
        except GitError as error:
            if error.status != 1:  # some are not as the index has them
                raise
        changed = os.fsdecode(await index.run("diff-files", "--name-only", "-z")).split("\0")
    return tuple(path for path in changed if path)


def _flagged(tree: Repository, listed: bytes) -> set[str]:
    """Return the flagged paths in the output of `git ls-files -v -z`; those not checked out only if they are there."""
    found = set()
    for line in listed.split(b"\0"):
        if not line or line.startswith(b"H"):
            continue
        letter, path = os.fsdecode(line).split(" ", 1)
        if letter in "Ss":
            if os.path.lexists(tree.root / path):
                found.add(path)
        elif letter.islower():
            found.add(path)
    return found


def _entries(staged: bytes, wanted: set[str]) -> list[tuple[str, Entry]]:
    """Return the wanted paths in the output of `git ls-files --stage -z`."""
    found = []
    for line in staged.split(b"\0"):
        fields, _, path = os.fsdecode(line).partition("\t")
        if path in wanted:
            mode, oid, _ = fields.split(" ")
            found.append((path, Entry(mode, oid)))
    return found
