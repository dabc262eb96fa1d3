"""Commits that are on no branch: a detached HEAD alone names them, and the next checkout takes that away."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.sessions.integration import branch_of
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import git
from supervisor.world.git.worktrees import resolve

_MOST = 10_000  # commits


@dataclass(frozen=True, slots=True)
class Loose:
    """The commits that only HEAD has, which is at `head`."""

    head: str
    commits: frozenset[str]


async def loose(repo: Repository) -> Loose | None:
    """Return the commits that no branch, tag or remote has; `None` while HEAD is on a branch, or has none of its own.

    A branch that `name_loose` made does not count.

    Raises:
        GitError: the repository cannot be read.
    """
    if (await git(repo.root, "rev-parse", "--symbolic-full-name", "HEAD")).strip() != b"HEAD":
        return None
    listed = await git(
        repo.root,
        *("rev-list", f"--max-count={_MOST}", "HEAD"),
        *("--not", f"--exclude={branch_of('*')}-head", "--branches", "--remotes", "--tags"),
    )
    commits = listed.decode().split()
    return Loose(commits[0], frozenset(commits)) if commits else None


async def name_loose(repo: Repository, session: str, found: Loose) -> str:
    """Give loose commits of a session a branch, and return its short name.

    Raises:
        GitError: git cannot make it.
    """
    name = f"{branch_of(session)}-head"
    old = await resolve(repo, HEADS + name)
    if old != found.head:
        await git(repo.root, "update-ref", HEADS + name, found.head, old or "0" * len(found.head))
    return name
