"""Commits that a session made on no branch and then went away from: only git's log of HEAD still has them."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.core.sessions.integration import branch_of
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import git
from supervisor.world.git.worktrees import resolve
from supervisor.world.threads import in_thread

_MOST = 1 << 20  # bytes of the log, from its end
_MOVING = b"checkout: moving from "
_SHOWN = 8  # digits of a commit in the name of a branch


async def name_left_behind(tree: Repository, session: str) -> None:
    """Give such commits in a session's work tree branches: git's log goes with the tree.

    Raises:
        GitError: the repository cannot be read or written.
    """
    for commit in await in_thread(lambda: tuple(dict.fromkeys(_left(_log(tree))))):
        if await resolve(tree, commit) is None:
            continue  # pruned
        named = await git(tree.root, "for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit)
        if not named.strip():
            name = f"{HEADS}{branch_of(session)}-left-{commit[:_SHOWN]}"
            await git(tree.root, "update-ref", name, commit)


def _log(tree: Repository) -> list[bytes]:
    try:
        with (tree.git_dir / "logs/HEAD").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST))
            return file.read().splitlines()
    except OSError:
        return []


def _left(log: list[bytes]) -> Iterator[str]:
    """Yield, newest first, where HEAD was on no branch when it was taken elsewhere, if it had moved since it came there.

    gitrevisions(7) reads the log in the same way. What was only looked at is on a branch, or was amended there.
    """
    found = []
    came_to = b""
    for line in log:
        names, _, said = line.partition(b"\t")
        old, new, *_ = *names.split(b" "), b"", b""
        if said.startswith(_MOVING):
            if said[len(_MOVING) :].startswith(old + b" to ") and old != came_to:
                found.append(old.decode("ascii", "replace"))
            came_to = new
    yield from reversed(found)
