"""Move a branch from where it was seen, together with the checkouts that have it, or leave all as it is.

Files first, then the branch, as git does it itself: what is cut short in between leaves changes that are staged
and not lost, and to do it again finds them in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supervisor.world.failpoint import failpoint
from supervisor.world.git.index_lock import once_unlocked
from supervisor.world.git.integrate.settings import environment
from supervisor.world.git.integrate.spare import spare_ignored
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError, git
from supervisor.world.git.underway import operations
from supervisor.world.git.worktrees import LIMIT, checked_out, resolve

MARKS = "refs/leasehold/integrated/"


class TargetMovedError(Exception):
    """The branch is not where it was seen; everything is as it was."""


class TargetHeldError(Exception):
    """The branch cannot be moved just now, and why; everything is as it was."""


async def move(repo: Repository, target: str, old: str, new: str, landed: Sequence[tuple[str, str]]) -> None:
    """Move `target` from `old` to `new`; `landed` are the sessions with that, each with its commit.

    A session whose commit is "" gets no mark: it goes on, and more of it will come.

    Raises:
        TargetMovedError: somebody else moved it.
        TargetHeldError: a checkout has changes in the way, an operation of git under way, or its index locked.
        GitError: git failed.
    """
    tree = (await checked_out(repo)).get(target)
    if await _being_rebased(repo, target):
        raise TargetHeldError(f"{target} is being rebased in {repo.root}; finish that, or abort it")
    if tree is not None:
        await _move_files(repo, tree, target, old, new)
    failpoint("integrate.files_moved")
    lines = [f"update {HEADS}{target} {new} {old}"]
    lines += [f"update {MARKS}{session} {commit}" for session, commit in landed if commit]
    env = await environment(repo)
    command = ("update-ref", "-m", f"leasehold: integrate {', '.join(name for name, _ in landed)}", "--stdin")
    try:
        await git(repo.root, *command, stdin="".join(f"{line}\n" for line in lines).encode(), extra_env=env)
    except GitError as error:
        if tree is not None:
            await read_tree(tree, new, old, env)
        if await resolve(repo, HEADS + target) != old:
            raise TargetMovedError from error
        raise
    failpoint("integrate.moved")


async def integrated_as(repo: Repository, session: str) -> str | None:
    """Return the commit with which the session's commits came into their target, if they have."""
    return await resolve(repo, MARKS + session)


async def forget_marks(repo: Repository, keep: Sequence[str]) -> None:
    """Remove the marks of all sessions but these: what was integrated is known elsewhere by now.

    Raises:
        GitError: git failed.
    """
    listed = await git(repo.root, "for-each-ref", "--format=%(refname)", MARKS)
    gone = [name for name in listed.decode().split() if name.removeprefix(MARKS) not in keep]
    if gone:
        lines = "".join(f"delete {name}\n" for name in gone)
        await git(repo.root, "update-ref", "--stdin", stdin=lines.encode())


async def _move_files(repo: Repository, tree: Path, target: str, old: str, new: str) -> None:
    if tree == repo.root and (under_way := operations(repo, 0.0)):
        raise TargetHeldError(
            f"a {under_way[0]} is under way in {tree}, which has {target} checked out; finish or abort it"
        )
    env = await environment(repo)
    try:
        await spare_ignored(tree, old, new, env)
        await once_unlocked(lambda: read_tree(tree, old, new, env))
    except GitError as error:
        if await resolve(repo, HEADS + target) != old:
            raise TargetMovedError from error
        raise TargetHeldError(in_the_way(tree, target, error)) from error


async def read_tree(tree: Path, old: str, new: str, env: dict[str, str]) -> None:
    """Bring index and files of a checkout from one commit to another, or change nothing."""
    try:
        await git(tree, "update-index", "-q", "--refresh", extra_env=env)
    except GitError as error:
        if error.status != 1:  # 1 says that something differs, and the next command says whether that matters
            raise
    await git(tree, "read-tree", "-m", "-u", old, new, timeout=LIMIT, extra_env=env)


def in_the_way(tree: Path, target: str, error: GitError) -> str:
    """Return why the files of a checkout could not be moved, and what to do."""
    said = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    detail = said[0].removeprefix("error: ").removeprefix("fatal: ") if said else str(error)
    return (
        f"{tree}, which has {target} checked out, has changes of its own in the way ({detail}); "
        "commit them or move them away"
    )


async def _being_rebased(repo: Repository, target: str) -> bool:
    for name in ("rebase-merge/head-name", "rebase-apply/head-name"):
        path = repo.git_dir / name
        try:
            if path.read_text(encoding="utf-8").strip() == HEADS + target:
                return True
        except OSError:
            continue
    return False
