"""Open a repository: where it is, which branch is checked out, and whether sessions can work in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.git.run import GitError, git

HEADS = "refs/heads/"


class RepositoryError(Exception):
    """The path cannot serve as a repository for sessions; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A checkout with at least one commit.

    `root` is the real path of the top of the working tree, `git_dir` this worktree's git folder and
    `common_dir` the one shared by all worktrees. `branch` is the short name of the checked-out branch,
    `None` when HEAD is detached. `hooks` is where the repository's own hooks lie; a relative one is meant
    from the top of whichever worktree runs them. `asked` is the path that was opened, which may have
    been a folder below `root`.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    branch: str | None
    fold_case: bool
    hooks: Path
    asked: Path

    @property
    def notice(self) -> str:
        """Return the sentence to show when a folder inside the repository was named, else ""."""
        if self.asked == self.root:
            return ""
        return f"{self.asked} is inside the repository {self.root}; the whole repository is used"


async def open_repository(path: str | os.PathLike[str]) -> Repository:
    """Return the repository that `path` is in.

    Raises:
        RepositoryError: the path is missing, is no git repository or a bare one, has no commit yet,
            belongs to somebody else, or has a name that git cannot report.
    """
    asked = _existing_folder(path)
    await _require_working_tree(asked)
    try:
        places = await git(
            asked,
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-dir",
            "--git-common-dir",
        )
    except GitError as error:
        raise RepositoryError(f"{asked}: {error}") from error
    root, git_dir, common_dir = _real_paths(asked, places)
    await _require_commit(root)
    branch = await _ask(root, "symbolic-ref", "--quiet", "HEAD")
    return Repository(
        root=root,
        git_dir=git_dir,
        common_dir=common_dir,
        branch=branch.removeprefix(HEADS) or None,
        fold_case=await _ask(root, "config", "--type=bool", "--get", "core.ignoreCase") == "true",
        hooks=await _own_hooks(root, common_dir),
        asked=asked,
    )


async def require_target(repo: Repository, target: str | None) -> None:
    """See that there is a branch to integrate into: `target`, or else the one that is checked out.

    Raises:
        RepositoryError: there is none.
    """
    branch = target or repo.branch
    if branch is None:
        raise RepositoryError(
            f"{repo.root} has no branch checked out, so there is none to integrate into; name one as target"
        )
    if not await _ask(repo.root, "rev-parse", "--quiet", "--verify", f"{HEADS}{branch}^{{commit}}"):
        raise RepositoryError(
            f'{repo.root} has no branch "{branch}" to integrate into; make it, or correct target'
        )


def _existing_folder(path: str | os.PathLike[str]) -> Path:
    asked = Path(path).expanduser()
    if not asked.exists():
        raise RepositoryError(f"{asked} does not exist; correct the path, or clone the repository there")
    if not asked.is_dir():
        raise RepositoryError(f"{asked} is not a folder; name the folder that holds the repository")
    return asked.resolve()


def _real_paths(asked: Path, answer: bytes) -> tuple[Path, Path, Path]:
    lines = os.fsdecode(answer).removesuffix("\n").split("\n")
    if len(lines) != 3 or not all(line.startswith("/") for line in lines):
        raise RepositoryError(
            f"{str(asked)!r} has a line break in its path, which git cannot report; move the repository"
        )
    root, git_dir, common_dir = (Path(os.path.realpath(line)) for line in lines)
    return root, git_dir, common_dir


async def _require_working_tree(path: Path) -> None:
    try:
        answer = await git(path, "rev-parse", "--is-bare-repository", "--is-inside-work-tree")
    except GitError as error:
        if "dubious ownership" in error.stderr:
            raise RepositoryError(
                f"{path} belongs to another user than the one that runs here (uid {os.geteuid()}), and git "
                f'refuses it; run "git config --global --add safe.directory {path}" as that user'
            ) from error
        if "not a git repository" in error.stderr:
            raise RepositoryError(
                f'{path} is not a git repository; run "git init" and commit, or correct the path'
            ) from error
        raise RepositoryError(f"{path}: {error}") from error
    bare, inside = answer.split()
    if bare == b"true":
        raise RepositoryError(
            f"{path} is a bare repository; sessions need a checkout: clone it, name the clone"
        )
    if inside != b"true":
        raise RepositoryError(f"{path} is inside a .git folder; name the top of the working tree")


async def _require_commit(root: Path) -> None:
    try:
        await git(root, "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    except GitError as error:
        raise RepositoryError(
            f"{root} has no commit yet on its checked-out branch; make the first commit, then start again"
        ) from error


async def _own_hooks(root: Path, common_dir: Path) -> Path:
    configured = await _ask(root, "config", "--type=path", "--get", "core.hooksPath", hooks=True)
    return Path(configured) if configured else common_dir / "hooks"


async def _ask(root: Path, *args: str, hooks: bool = False) -> str:
    """Return git's one-line answer, or "" when it has none (exit status 1)."""
    try:
        answer = await git(root, *args, hooks=hooks)
    except GitError as error:
        if error.status == 1:
            return ""
        raise RepositoryError(f"{root}: {error}") from error
    return os.fsdecode(answer).removesuffix("\n")
