"""Which files git does not keep: nobody needs a lease for them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, git


async def ignored(repo: Repository, paths: Iterable[str]) -> frozenset[str]:
    """Return those of `paths`, relative to the root, that git ignores and does not track.

    Raises:
        GitError: git could not be asked.
    """
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    try:
        answer = await git(repo.root, "check-ignore", "-z", "--stdin", stdin=asked)
    except GitError as error:
        if error.status == 1:
            return frozenset()  # none of them
        raise
    return frozenset(os.fsdecode(name) for name in answer.split(b"\0") if name)
