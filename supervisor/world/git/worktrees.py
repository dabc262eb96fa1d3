"""A work tree and a branch for each session: made at its start, and gone once what was in it is kept."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from supervisor.core.sessions.integration import BRANCHES, branch_of
from supervisor.world.git.history import SESSION_TRAILER, commits_since
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError, git
from supervisor.world.threads import in_thread

_SEPARATOR = " "  # no reference has one in its name
LIMIT = 600.0  # seconds for writing a whole work tree
_AGAIN = (0.01, 0.05, 0.2, 0.5, 1.0)  # seconds between tries when git meets a work tree that is half made


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the commits of a session are: `commit` has them, and `stray` is a branch with others, or ""."""

    commit: str | None
    stray: str = ""


def worktree_of(repo: Repository, folder: Path, session: str) -> Repository:
    """Return the session's work tree in `folder`, whether it is there or not."""
    return replace(
        repo,
        root=folder,
        git_dir=repo.common_dir / "worktrees" / folder.name,
        branch=branch_of(session),
        asked=folder,
    )


async def add(repo: Repository, folder: Path, session: str, start: str) -> Repository:
    """Make a work tree in `folder` on a new branch for the session, at the commit `start`.

    Raises:
        GitError: git could not; nothing of it is left.
        OSError: the folder around it cannot be made.
    """
    await in_thread(lambda: folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True))
    commit = await resolve(repo, start)
    if commit is None:
        raise GitError(f"there is no {start} in {repo.root} to begin on")
    await git(repo.root, "update-ref", HEADS + branch_of(session), commit, "0" * len(commit))
    try:
        await make(repo, folder, branch_of(session))
    except GitError:
        await git(repo.root, "update-ref", "-d", HEADS + branch_of(session), commit)
        raise
    return worktree_of(repo, folder, session)


async def make(repo: Repository, folder: Path, *what: str) -> None:
    """Make a work tree of `what`, a branch or an option and a commit.

    Raises:
        GitError: git could not; nothing of it is left.
    """
    for wait in (*_AGAIN, None):
        try:
            await git(repo.root, "worktree", "add", "-q", *what[:-1], str(folder), what[-1], timeout=LIMIT)
        except GitError as error:
            await remove(repo, folder)
            if wait is None or not _met_another(error):
                raise
            await anyio.sleep(wait)
        else:
            return


async def remove(repo: Repository, folder: Path) -> None:
    """Remove a work tree with all that is in it; one that is not there is no fault.

    It is taken out of its place first: half a work tree there would look like one whose files somebody deleted.

    Raises:
        OSError: something of it cannot be removed; what is left is back in its place.
    """
    admin = repo.common_dir / "worktrees" / folder.name
    aside = folder.with_name(f"{folder.name}.removed")

    def gone() -> None:
        if aside.exists():
            shutil.rmtree(aside)
        if folder.exists():
            folder.rename(aside)
            try:
                shutil.rmtree(aside)
            except OSError:
                aside.rename(folder)
                raise
        if admin.exists():
            shutil.rmtree(admin)

    await in_thread(gone)


async def tip_of(repo: Repository, tree: Repository | None, session: str) -> Tip:
    """Return where the session's commits are; `tree` is its work tree, if that is still there.

    A session may have gone on beside its branch, on another one or on none. What is there and follows on
    from the branch is taken over when all of it is the session's own. Other commits that nothing names are given
    a branch, since they would be lost with the work tree.

    Raises:
        GitError: the repository cannot be read or written.
    """
    branch = await resolve(repo, HEADS + branch_of(session))
    head = await resolve(tree, "HEAD") if tree is not None else None
    if head is None or head == branch:
        return Tip(branch)
    ahead = await commits_since(repo, branch, ref=head) if branch else ()
    own = bool(ahead) and all(commit.session == session for commit in ahead)
    if branch is None or (own and await is_ancestor(repo, branch, head)):
        await _point(repo, branch_of(session), head, branch)
        return Tip(head)
    if await _is_named(repo, head):
        return Tip(branch)
    stray = f"{branch_of(session)}-head"
    if await resolve(repo, HEADS + stray) != head:
        await _point(repo, stray, head, await resolve(repo, HEADS + stray))
    return Tip(branch, stray)


async def others_of(repo: Repository, session: str, *known: str | None) -> tuple[str, ...]:
    """Return the branches that end in a commit of the session which none of the commits `known` has in its history.

    Raises:
        GitError: the repository cannot be read.
    """
    listed = await git(
        repo.root,
        *(
            "for-each-ref",
            f"--format=%(refname){_SEPARATOR}%(contents:trailers:key={SESSION_TRAILER},valueonly)%00",
        ),
        *(f"--no-merged={commit}" for commit in known if commit is not None),
        HEADS,
    )
    found = []
    for entry in os.fsdecode(listed).split("\0"):
        ref, _, trailers = entry.strip().partition(_SEPARATOR)
        name = ref.removeprefix(HEADS)
        if session in trailers.split() and name != branch_of(session):
            found.append(name)
    return tuple(found)


async def resolve(repo: Repository, name: str) -> str | None:
    """Return the commit that a name stands for, if there is one.

    Raises:
        GitError: the repository cannot be read.
    """
    try:
        answer = await git(
            repo.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
    except GitError as error:
        if error.status == 1:
            return None
        raise
    return answer.decode().strip()


async def is_ancestor(repo: Repository, one: str, other: str) -> bool:
    """Tell whether the history of commit `other` has commit `one`."""
    try:
        await git(repo.root, "merge-base", "--is-ancestor", one, other)
    except GitError as error:
        if error.status == 1:
            return False
        raise
    return True


async def drop_branch(repo: Repository, branch: str, commit: str) -> None:
    """Delete a branch that is at `commit`, unless somebody has it checked out; one that is elsewhere stays.

    Raises:
        GitError: it cannot be deleted.
    """
    if await resolve(repo, HEADS + branch) == commit and branch not in await checked_out(repo):
        await git(repo.root, "update-ref", "-d", HEADS + branch, commit)


async def delete_branch(repo: Repository, branch: str, *, contained_in: str) -> None:
    """Delete a branch whose commits `contained_in` has as well, unless somebody has it checked out.

    Raises:
        GitError: it moved meanwhile, or cannot be deleted.
    """
    commit = await resolve(repo, HEADS + branch)
    if commit is None or branch in await checked_out(repo):
        return
    if await is_ancestor(repo, commit, contained_in):
        await git(repo.root, "update-ref", "-d", HEADS + branch, commit)


async def set_aside(repo: Repository, branch: str) -> None:
    """Take a branch that a later one stands in for out of the list of branches; its commits stay named."""
    commit = await resolve(repo, HEADS + branch)
    if commit is None or branch in await checked_out(repo):
        return
    moved = f"update refs/leasehold/superseded/{branch.removeprefix(BRANCHES)} {commit}\n"
    await git(repo.root, "update-ref", "--stdin", stdin=f"{moved}delete {HEADS}{branch} {commit}\n".encode())


async def checked_out(repo: Repository) -> dict[str, Path]:
    """Return the branches that are checked out, each with the work tree; of those that are there."""
    listed = await _listed(repo)
    found: dict[str, Path] = {}
    path = Path()
    for line in listed.decode("utf-8", "surrogateescape").splitlines():
        word, _, value = line.partition(" ")
        if word == "worktree":
            path = Path(value)
        elif word == "branch" and path.is_dir():
            found[value.removeprefix(HEADS)] = path
    return found


async def _listed(repo: Repository) -> bytes:
    for wait in _AGAIN:
        try:
            return await git(repo.root, "worktree", "list", "--porcelain")
        except GitError as error:
            if not _met_another(error):
                raise
        await anyio.sleep(wait)
    return await git(repo.root, "worktree", "list", "--porcelain")


def _met_another(error: GitError) -> bool:
    """Tell whether git gave up over a work tree that another git is making or removing at this moment."""
    return "failed to read" in error.stderr and "worktrees/" in error.stderr


async def _point(repo: Repository, branch: str, commit: str, old: str | None) -> None:
    await git(repo.root, "update-ref", HEADS + branch, commit, old or "0" * len(commit))


async def _is_named(repo: Repository, commit: str) -> bool:
    listed = await git(
        repo.root,
        *("for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit),
        *("refs/heads", "refs/remotes", "refs/tags"),
    )
    return bool(listed.strip())
