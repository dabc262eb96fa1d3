"""Let a session's own branch and work tree follow what became of its commits in the target."""

from __future__ import annotations

from supervisor.world.git.integrate.move import in_the_way, read_tree
from supervisor.world.git.integrate.settings import environment
from supervisor.world.git.integrate.spare import spare_ignored
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError, git


async def follow(tree: Repository, branch: str, old: str, new: str) -> str:
    """Bring a work tree and the branch that it has checked out from `old` to `new`; return why they stay, or "".

    Uncommitted changes stay as they are: if one is in the way, nothing is moved. Nor is it when the branch is no longer at `old`.
    """
    if old == new:
        return ""
    env = await environment(tree)
    try:
        await spare_ignored(tree.root, old, new, env)
        await read_tree(tree.root, old, new, env)
    except GitError as error:
        return in_the_way(tree.root, branch, error)
    command = ("update-ref", "-m", "leasehold: follow the target", HEADS + branch, new, old)
    try:
        await git(tree.root, *command, extra_env=env)
    except GitError as error:
        await read_tree(tree.root, new, old, env)
        return f"{branch} moved meanwhile ({error.stderr.strip()})"
    return ""
