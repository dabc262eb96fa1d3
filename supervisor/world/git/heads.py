"""Which branches work trees are on, read without git: a question that a decision waits for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from supervisor.core.decisions.gate import WorkTree
from supervisor.world.git.repository import HEADS, Repository

_LONGEST = 4096  # bytes of a reference's name, or of a path


def branches_in_use(repo: Repository, own: str) -> dict[str, WorkTree]:
    """Return the branches, by short name, that work trees are on other than the one that git calls `own`.

    That is a session's own work tree, which has the session's name. The configured checkout is marked as such.
    """
    found: dict[str, WorkTree] = {}
    for git_dir, root in _work_trees(repo):
        if git_dir.name == own and git_dir.parent.name == "worktrees":
            continue
        branch = _branch(git_dir)
        if branch:
            # while git commits in a work tree, it holds the lock of the HEAD there
            commits = os.path.lexists(git_dir / "HEAD.lock")
            found[branch] = WorkTree(str(root), checkout=git_dir == repo.git_dir, commits=commits)
    return found


def _work_trees(repo: Repository) -> Iterator[tuple[Path, Path]]:
    """Yield git's folder and the root of each work tree that is there, the configured one last."""
    if repo.common_dir != repo.git_dir and repo.common_dir.name == ".git":
        yield repo.common_dir, repo.common_dir.parent
    try:
        linked = [Path(entry.path) for entry in os.scandir(repo.common_dir / "worktrees")]
    except OSError:
        linked = []
    for git_dir in linked:
        root = os.path.dirname(_line(git_dir / "gitdir"))  # noqa: PTH120
        if git_dir != repo.git_dir and root and os.path.isdir(root):  # noqa: PTH112
            yield git_dir, Path(root)
    yield repo.git_dir, repo.root


def _branch(git_dir: Path) -> str:
    """Return the short name of the branch that HEAD in `git_dir` names; empty where it is detached or unreadable."""
    kind, _, ref = _line(git_dir / "HEAD").partition(" ")
    return ref.strip().removeprefix(HEADS) if kind == "ref:" and ref.startswith(HEADS) else ""


def _line(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.fsdecode(os.read(fd, _LONGEST)).strip() if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    finally:
        os.close(fd)
