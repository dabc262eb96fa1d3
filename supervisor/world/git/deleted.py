"""Branches that a session deletes: commits of others that nothing else names stay named."""

from __future__ import annotations

import os

from supervisor.world.git.history import SESSION_TRAILER
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import git

DELETED = "refs/leasehold/deleted/"
_SHOWN = 12  # digits of a commit in the name of a reference


async def keep_deleted(repo: Repository, ref: str, commit: str, session: str) -> str:
    """Name the last commit of a branch that goes, or is gone; return the new reference, "" where none is needed.

    None is for what another branch, a remote or a tag has as well, and for a branch that ends in a commit of the session
    itself.

    Raises:
        GitError: the repository cannot be read or written.
    """
    listed = await git(
        repo.root,
        *("for-each-ref", "--format=%(refname)", "--contains", commit),
        *("refs/heads", "refs/remotes", "refs/tags", DELETED),
    )
    if set(os.fsdecode(listed).split("\n")) - {ref, ""}:
        return ""
    trailer = f"--format=%(trailers:key={SESSION_TRAILER},valueonly)"
    made_by = await git(repo.root, "log", "-1", "--no-show-signature", trailer, commit)
    if session in made_by.decode("utf-8", "replace").split():
        return ""
    name = f"{DELETED}{ref.removeprefix(HEADS)}/{commit[:_SHOWN]}"
    await git(repo.root, "update-ref", name, commit)
    return name
