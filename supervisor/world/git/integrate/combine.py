"""Put commits onto a target in a throw-away work tree: by rebase or by merge, with no hook and no question."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from supervisor.core.decisions.policy import Way
from supervisor.world.git.integrate.scratch import Scratch
from supervisor.world.git.integrate.settings import environment
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, git
from supervisor.world.git.salvage.snapshot import GITLINK
from supervisor.world.git.worktrees import LIMIT, is_ancestor, resolve

_LOOKED_AT = 10  # conflicts of which is told what kind they are


@dataclass(frozen=True, slots=True)
class Conflict:
    """The target has other versions of these paths; `notes` says of some why git cannot merge them."""

    paths: tuple[str, ...]
    notes: str = ""


async def combine(scratch: Scratch, onto: str, tip: str, way: Way, message: str) -> str | Conflict:
    """Return the commit that has `onto` and the commits of `tip` that it lacks; `onto` itself if it lacks none.

    Raises:
        GitError: git failed for another reason than a conflict.
    """
    repo = scratch.repo
    if await is_ancestor(repo, tip, onto):
        return onto
    if way is Way.REBASE and await is_ancestor(repo, onto, tip) and not await _has_merges(repo, onto, tip):
        return tip  # it follows on as it is, signatures and all
    tree = await scratch.at(tip if way is Way.REBASE else onto)
    env = await environment(tree)
    command = (
        ("rebase", "--merge", "--empty=drop", "--no-keep-empty", "--no-fork-point", onto)
        if way is Way.REBASE
        else ("merge", "-q", "--no-ff", "--no-edit", "--no-stat", "-m", message, tip)
    )
    try:
        await git(tree.root, *command, timeout=LIMIT, extra_env=env)
    except GitError:
        conflict = await _conflict(tree)
        with contextlib.suppress(GitError):
            await git(tree.root, command[0], "--abort", extra_env=env)
        if conflict is None:
            raise
        return conflict
    made = await resolve(tree, "HEAD")
    assert made is not None  # noqa: S101  - a work tree has a commit
    return made


async def changed_paths(repo: Repository, old: str, new: str) -> tuple[str, ...]:
    """Return the paths in which two commits differ, both names of what was renamed.

    Raises:
        GitError: one does not exist.
    """
    output = await git(
        repo.root,
        *("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none", old, new),
    )
    return tuple(name for name in os.fsdecode(output).split("\0") if name)


async def merge_base(repo: Repository, one: str, other: str) -> str | None:
    """Return the newest commit that both have, if there is one."""
    try:
        return (await git(repo.root, "merge-base", one, other)).decode().split()[0]
    except GitError as error:
        if error.status == 1:
            return None
        raise


async def _has_merges(tree: Repository, old: str, new: str) -> bool:
    return bool(await git(tree.root, "rev-list", "--merges", "--max-count=1", new, f"^{old}"))


async def _conflict(tree: Repository) -> Conflict | None:
    """Return what is unmerged in the work tree, if anything is."""
    modes: dict[str, str] = {}
    for line in os.fsdecode(await git(tree.root, "ls-files", "--unmerged", "-z")).split("\0"):
        fields, _, path = line.partition("\t")
        if path:
            modes[path] = fields.split(" ")[0]
    if not modes:
        return None
    notes = [f"{path} is a submodule" for path, mode in modes.items() if mode == GITLINK]
    looked_at = [path for path, mode in modes.items() if mode != GITLINK][:_LOOKED_AT]
    notes += [f"{path} is binary" for path in looked_at if await _is_binary(tree, path)]
    notes += [f"{path} is stored by the filter {name}" for path, name in await _filters(tree, looked_at)]
    return Conflict(tuple(modes), ", ".join(notes))


async def _filters(tree: Repository, paths: list[str]) -> list[tuple[str, str]]:
    """Return which paths a content filter keeps elsewhere, git-lfs say: what conflicts is then its pointer."""
    output = await git(tree.root, "check-attr", "-z", "filter", "--", *paths) if paths else b""
    fields = os.fsdecode(output).split("\0")
    found = zip(fields[0::3], fields[2::3], strict=False)
    return [(path, name) for path, name in found if name not in {"unspecified", "unset", "set"}]


async def _is_binary(tree: Repository, path: str) -> bool:
    try:
        output = await git(tree.root, "diff", "--numstat", f":2:{path}", f":3:{path}")
    except GitError:
        return False  # one side removed it
    return output.startswith(b"-\t-\t")
