"""What a work tree has that no commit of its repository can hold, and that would be gone with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from supervisor.core.sessions.salvage import listed
from supervisor.world.git.facts import DirtyFile
from supervisor.world.git.history import DATED_WITHIN
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, git
from supervisor.world.git.salvage.index import ask
from supervisor.world.git.salvage.snapshot import GITLINK
from supervisor.world.threads import in_thread

_RULES = ".gitignore"
_SHOWN = 240  # characters of a warning


async def only_here(tree: Repository, files: tuple[DirtyFile, ...], since: float) -> tuple[str, ...]:
    """Return in words what is in a work tree alone; `files` are its dirty ones, `since` its session's start (Unix seconds).

    Raises:
        GitError: git cannot read the work tree.
    """
    return (
        *await _inner_trees(tree),
        *await _unpublished(tree, since),
        *await _concealed(tree, files, since),
    )


def unlooked(warnings: list[str]) -> tuple[str, ...]:
    """Return in words which folders git could not look into, from its warnings: it leaves out what is in there."""
    folders = [line for line in warnings if line.startswith("could not open directory")]
    more = f", and {len(folders) - 1} more" if len(folders) > 1 else ""
    return (f"git {_shortened(folders[0])}{more}",) if folders else ()


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN // 2]} … {line[-_SHOWN // 2 :]}"


# --- work trees inside it ---------------------------------------------------------------------------


async def _inner_trees(tree: Repository) -> tuple[str, ...]:
    """Say which linked work trees below this one have something of their own; git may ignore their folder."""
    told = []
    for root in await in_thread(_linked_below, tree):
        name = root.relative_to(tree.root)
        try:
            if await git(root, "status", "--porcelain", "--ignore-submodules=none"):
                told.append(f"{name}, a work tree inside it, has uncommitted changes")
            elif not await git(root, "for-each-ref", "--count=1", "--contains", "HEAD"):
                told.append(f"{name}, a work tree inside it, has commits on no branch")
        except GitError as error:
            told.append(f"{name}, a work tree inside it, cannot be read: {error}")
    return tuple(told)


def _linked_below(tree: Repository) -> list[Path]:
    found = []
    for link in sorted((tree.common_dir / "worktrees").glob("*/gitdir")):
        try:
            root = Path(link.read_text(encoding="utf-8", errors="surrogateescape").strip()).parent
        except OSError:
            continue
        if root != tree.root and root.is_relative_to(tree.root) and (root / ".git").is_file():
            found.append(root)
    return found


# --- commits of repositories below it -------------------------------------------------------------


async def _unpublished(tree: Repository, since: float) -> tuple[str, ...]:
    """Say which submodules have commits of this session that are in no other repository, as far as one can see."""
    links = await in_thread(_links, await ask(tree, "ls-files", "--stage", "-z"))
    told = []
    for name, place in await in_thread(_repositories, tree, links):
        own = {"GIT_DIR": str(place), "GIT_WORK_TREE": str(place)}
        try:
            found = await git(
                place,
                *("rev-list", "--max-count=1", f"--since=@{int(since - DATED_WITHIN)} +0000"),
                *("--all", "HEAD", "--not", "--remotes"),
                extra_env=own,
            )
        except GitError as error:
            told.append(f"{name}, a submodule, cannot be read: {error}")
            continue
        if found.strip():
            told.append(f"{name} has commits that no remote has")
    return tuple(told)


def _links(staged: bytes) -> list[str]:
    """Return the paths of submodules in the output of `git ls-files --stage -z`."""
    lines = (line for line in staged.split(b"\0") if line.startswith(GITLINK.encode()))
    return [os.fsdecode(line).partition("\t")[2] for line in lines]


def _repositories(tree: Repository, links: list[str]) -> list[tuple[str, Path]]:
    """Return the repositories of submodules that go with the work tree, by name."""
    modules = tree.git_dir / "modules"
    inside = [(link, tree.root / link / ".git") for link in links]
    return [
        *((str(place.relative_to(modules)), place) for place in _below(modules)),
        *((link, place) for link, place in inside if place.is_dir() and not place.is_symlink()),
    ]


def _below(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if (entry / "HEAD").is_file() and (entry / "objects").is_dir():
            yield entry
            yield from _below(entry / "modules")
        elif entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)  # the name of a submodule may have slashes


# --- files that only rules of its own hide --------------------------------------------------------


async def _concealed(tree: Repository, files: tuple[DirtyFile, ...], since: float) -> tuple[str, ...]:
    """Say what is ignored only by rules that the session made and did not commit.

    A cache that has a rule file of its own, which hides itself with all beside it, is none of these.
    """
    committed = bool(await ask(tree, "ls-files", "-z", "--", _RULES))
    rules = await in_thread(partial(_own_rules, tree, files, since, committed=committed))
    if not rules:
        return ()
    ignored = await ask(tree, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    if not ignored:
        return ()
    try:
        answer = await git(tree.root, "check-ignore", "-z", "--verbose", "--stdin", stdin=ignored)
    except GitError as error:
        if error.status != 1:  # nothing of it
            raise
        return ()
    found = await in_thread(_by_rules, tree, rules, os.fsdecode(answer).split("\0"))
    return tuple(
        f"{listed(paths)} {'is' if len(paths) == 1 else 'are'} ignored by {name}, which is not committed"
        for name, paths in found.items()
    )


def _by_rules(tree: Repository, rules: dict[str, str], fields: list[str]) -> dict[str, list[str]]:
    """Return the paths that each of these rule files hides, from git's answer: source, line, pattern, path."""
    found: dict[str, list[str]] = {}
    for source, path in zip(fields[::4], fields[3::4], strict=False):
        name = rules.get(os.path.realpath(tree.root / source))
        if name is not None and path != name:
            found.setdefault(name, []).append(path)
    return found


def _own_rules(
    tree: Repository, files: tuple[DirtyFile, ...], since: float, *, committed: bool
) -> dict[str, str]:
    """Return the rule files that changed since then and are in no commit: their real paths, and their names.

    With `committed` the one at the top is in git's index, and among `files` if it was changed.
    """
    names = {file.path for file in files if file.path.rpartition("/")[2] == _RULES}
    top = tree.root / _RULES
    if not committed and _changed_since(top, since):
        names.add(_RULES)  # one that hides itself is not among the dirty files
    rules = {os.path.realpath(tree.root / name): name for name in names}
    shared = tree.common_dir / "info/exclude"
    if _changed_since(shared, since):
        rules[os.path.realpath(shared)] = "info/exclude"
    return rules


def _changed_since(path: Path, since: float) -> bool:
    try:
        seen = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(seen.st_mode) and seen.st_ctime >= since
