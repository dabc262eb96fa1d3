"""A picture of some paths as they are in the work tree and in the index, as trees on top of a commit."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, GitTimeoutError, git
from supervisor.world.git.salvage.index import (
    Index,
    ask,
    differences,
    empty_tree,
    parse_raw,
    temporary_index,
    without_filters,
)
from supervisor.world.threads import in_thread

GITLINK = "160000"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`base` is the commit checked out (`None`: no commit yet) and `base_tree` its tree.

    `tree` has the work tree's version of the paths, `staged_tree` the index's where that is another one.
    `raw` were stored without their content filters, which failed; `unkept` says of paths that are not in
    the trees why not.
    """

    base: str | None
    base_tree: str
    tree: str
    staged_tree: str | None
    raw: tuple[str, ...]
    unkept: Mapping[str, str]

    def empty(self) -> bool:
        """Tell whether nothing differs from the commit."""
        return self.tree == self.base_tree and self.staged_tree is None


async def take(repo: Repository, paths: Iterable[str], *, limit: int | None = None) -> Snapshot:
    """Return a snapshot of `paths`, which are relative to the root; files over `limit` bytes are left out.

    Raises:
        GitError: git cannot read the repository, or write objects into it.
        OSError: there is no room for a temporary file.
    """
    base, base_tree = await base_of(repo)
    seen = await in_thread(_look, repo, tuple(dict.fromkeys(paths)), limit)
    with temporary_index(repo) as index:
        await index.run("read-tree", base_tree)
        await index.set((path, None) for path in (*seen.missing, *await _replaced(index, seen.folders)))
        nested = await _nested(index, seen.modules)
        added, failed = await _add(index, tuple(path for path in seen.present if path not in nested))
        tree = await added.tree()
    unkept = {**seen.unkept, **failed, **await _inside(seen.modules), **nested}
    raw = tuple(path for path in seen.present if path not in unkept) if added.config else ()
    asked = {*seen.missing, *seen.folders, *seen.present, *unkept}
    staged_tree = await _staged(repo, base_tree, tree, asked)
    return Snapshot(base, base_tree, tree, staged_tree, raw, unkept)


async def base_of(repo: Repository) -> tuple[str | None, str]:
    """Return the commit checked out and its tree; without a commit, the empty tree.

    Raises:
        GitError: the repository cannot be read.
    """
    try:
        base = (await ask(repo, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")).decode().strip()
    except GitError as error:
        if error.status != 1:
            raise
        return None, await empty_tree(repo)
    return base, await tree_of(repo, base)


async def tree_of(repo: Repository, commit: str) -> str:
    """Return the tree of a commit.

    Raises:
        GitError: there is no such commit.
    """
    return (await ask(repo, "rev-parse", "--verify", f"{commit}^{{tree}}")).decode().strip()


@dataclass(frozen=True, slots=True)
class _Seen:
    missing: tuple[str, ...]
    present: tuple[str, ...]
    unkept: dict[str, str]
    modules: dict[str, str]  # repositories among those present, with their places
    folders: tuple[str, ...]  # ordinary folders


def _look(repo: Repository, paths: tuple[str, ...], limit: int | None) -> _Seen:
    """Sort paths by what is there now. Blocks for one or two system calls a path."""
    missing: list[str] = []
    present: list[str] = []
    unkept: dict[str, str] = {}
    modules: dict[str, str] = {}
    folders: list[str] = []
    for path in paths:
        place = os.path.join(repo.root, path)  # noqa: PTH118  - a path of 4,095 bytes passes through unchanged
        try:
            if _behind_link(repo, path):
                missing.append(path)
                continue
            seen = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(path)
            continue
        except OSError as error:
            unkept[path] = error.strerror or str(error)
            continue
        if stat.S_ISDIR(seen.st_mode) and not os.path.lexists(f"{place}/.git"):
            folders.append(path)
            continue
        reason = _not_storable(place, seen, limit)
        if reason:
            unkept[path] = reason
        else:
            present.append(path)
            if stat.S_ISDIR(seen.st_mode):
                modules[path] = place
    return _Seen(tuple(missing), tuple(present), unkept, modules, tuple(folders))


async def _replaced(index: Index, folders: tuple[str, ...]) -> list[str]:
    """Return which files gave way to folders; the folder of a submodule that is not checked out did not."""
    return [
        path
        for path in folders
        if not (await index.run("ls-files", "--stage", "--", path)).startswith(GITLINK.encode())
    ]


async def _nested(index: Index, modules: Mapping[str, str]) -> dict[str, str]:
    """Return which folders are repositories that the commit does not know as submodules."""
    return {
        path: "a git repository of its own; its files stay where they are"
        for path in modules
        if not await index.run("ls-files", "--stage", "--", path.rstrip("/"))
    }


async def _inside(modules: Mapping[str, str]) -> dict[str, str]:
    """Return which submodules have changes of their own, which no commit of this repository can hold."""
    found = {}
    for path, place in modules.items():
        if await git(place, "status", "--porcelain", "--ignore-submodules=none"):
            found[path] = "uncommitted changes inside this submodule stay where they are"
    return found


def _behind_link(repo: Repository, path: str) -> bool:
    """Tell whether a folder above `path` is a symbolic link: what git tracked there is gone."""
    at = str(repo.root)
    for part in path.split("/")[:-1]:
        at = f"{at}/{part}"
        if stat.S_ISLNK(os.lstat(at).st_mode):
            return True
    return False


def _not_storable(place: str, seen: os.stat_result, limit: int | None) -> str:
    """Return why git cannot keep what is there, or ""."""
    kind = stat.S_IFMT(seen.st_mode)
    if kind == stat.S_IFDIR:
        return ""  # a repository of its own: of a submodule, the commit it stands at is kept
    if kind not in {stat.S_IFREG, stat.S_IFLNK}:
        return "neither a file nor a symbolic link"
    if limit is not None and seen.st_size > limit:
        return f"{seen.st_size} bytes, over the salvage_limit of {limit}"
    if kind == stat.S_IFREG and not os.access(place, os.R_OK):
        return "it may not be read"
    return ""


async def _add(index: Index, paths: tuple[str, ...]) -> tuple[Index, dict[str, str]]:
    """Put the work tree's version of `paths` into the index; return it, and the reasons of those that failed.

    A content filter that fails, git-lfs without its program for instance, must not cost the work: then
    everything is stored as it lies on the disk, and the index returned goes on without filters.
    """
    try:
        await _update(index, paths)
    except GitTimeoutError:
        raise
    except GitError as error:
        if _is_full(error):
            raise
    else:
        return index, {}
    plain = await without_filters(index)
    return plain, await _add_what_can_be(plain, paths)


async def _add_what_can_be(index: Index, paths: tuple[str, ...]) -> dict[str, str]:
    """Add paths, halving the list around those that git refuses; return these with the reasons."""
    try:
        await _update(index, paths)
    except GitTimeoutError:
        raise
    except GitError as error:
        if _is_full(error):
            raise
        if len(paths) == 1:
            return {paths[0]: error.stderr.splitlines()[0] if error.stderr else str(error)}
        half = len(paths) // 2
        return {
            **await _add_what_can_be(index, paths[:half]),
            **await _add_what_can_be(index, paths[half:]),
        }
    return {}


async def _update(index: Index, paths: tuple[str, ...]) -> None:
    if paths:
        listed = os.fsencode("".join(f"{path}\0" for path in paths))
        await index.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=listed)


async def _staged(repo: Repository, base_tree: str, tree: str, paths: set[str]) -> str | None:
    """Return the tree of what is staged of `paths`, if some of it is neither committed nor in `tree`."""
    output = await ask(
        repo, "diff-index", "--cached", "--raw", "-r", "-z", "--no-renames", "--no-abbrev", base_tree
    )
    staged = {path: new for path, (_, new) in parse_raw(output).items() if path in paths}
    if not staged:
        return None
    in_work_tree = {path: new for path, (_, new) in (await differences(repo, base_tree, tree)).items()}
    if all(path in in_work_tree and in_work_tree[path] == entry for path, entry in staged.items()):
        return None
    with temporary_index(repo) as index:
        await index.run("read-tree", base_tree)
        await index.set(staged.items())
        return await index.tree()


def _is_full(error: GitError) -> bool:
    return any(
        word in error.stderr
        for word in ("No space left", "Disk quota", "Read-only file system", "insufficient permission")
    )
