"""Salvages of what a session had git set aside: by `git stash`, or by a rebase or merge with --autostash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core.leases.coverage import Coverage
from supervisor.core.sessions.integration import branch_of
from supervisor.world.git.repository import Repository
from supervisor.world.git.salvage.index import ask, differences, entries, temporary_index
from supervisor.world.git.salvage.keep import REFS, store
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.snapshot import Snapshot, tree_of
from supervisor.world.threads import in_thread

_SLACK = 2.0  # seconds: git dates commits in whole seconds
_AUTOSTASHES = ("rebase-merge/autostash", "rebase-apply/autostash", "MERGE_AUTOSTASH")


@dataclass(frozen=True, slots=True)
class Aside:
    """Which stashes are a session's: those made since `since` (Unix seconds) that change what it has `covered`.

    Without `covered` they are those of its own branch, which say so.
    """

    session: str
    since: float
    covered: Coverage | None = None

    def may_have_made(self, at: float, said: str) -> bool:
        """Tell whether a stash that was made `at` (Unix seconds) with this line in git's list may be one of them."""
        branch = branch_of(self.session)
        return at >= self.since - _SLACK and (
            self.covered is not None or said.startswith((f"WIP on {branch}: ", f"On {branch}: "))
        )


async def keep_stashes(repo: Repository, tree: Repository | None, of: Aside, label: Label) -> tuple[str, ...]:
    """Keep what a session had git set aside; return the ids of these salvages, older ones included.

    A stash stays in git's list as well. What a rebase or merge under way has put by is only named in the folder
    that git has for the work tree `tree`, and may be gone with it.

    Raises:
        GitError: git cannot read the repository or write into it.
        OSError: there is no room for a temporary file.
    """
    name = f"{of.session}-stash"
    by_git = await in_thread(lambda: tuple(_autostashes(tree, of.since))) if tree is not None else ()
    for commit in (*await _stashed(repo, of), *by_git):
        snapshot, paths = await _snapshot(repo, commit)
        if paths and (of.covered is None or any(path in of.covered for path in paths)):
            await store(repo, name, label, snapshot)
    refs = await ask(repo, "for-each-ref", "--format=%(refname)", f"{REFS}{name}", f"{REFS}{name}-*")
    return tuple(ref.removeprefix(REFS) for ref in os.fsdecode(refs).split())


def _autostashes(tree: Repository, since: float) -> Iterator[str]:
    for name in _AUTOSTASHES:
        file = tree.git_dir / name
        try:
            text, made = file.read_text(encoding="ascii").strip(), file.stat().st_mtime
        except (OSError, ValueError):
            continue
        if text and not text.strip("0123456789abcdef") and made >= since - _SLACK:
            yield text


async def _stashed(repo: Repository, of: Aside) -> tuple[str, ...]:
    """Return the commits in git's list of stashes that may be the session's, oldest first."""
    if not await ask(repo, "for-each-ref", "refs/stash"):
        return ()
    entries = await ask(
        repo, "log", "-z", "--walk-reflogs", "--date=unix", "--format=%H %gd %gs", "refs/stash", "--"
    )
    found = []
    for line in entries.decode("utf-8", "replace").split("\0"):
        commit, _, rest = line.partition(" ")
        selector, _, said = rest.partition(" ")
        at = selector.rpartition("{")[2].rstrip("}")
        if at.isdecimal() and of.may_have_made(float(at), said):
            found.append(commit)
    return tuple(reversed(found))


async def _snapshot(repo: Repository, commit: str) -> tuple[Snapshot, frozenset[str]]:
    """Read what a stash has, and which paths it changes.

    Its parents are the commit that was checked out, what was staged, and maybe untracked files.
    """
    parents = os.fsdecode(await ask(repo, "rev-parse", f"{commit}^@")).split()
    base, index, *untracked = parents
    base_tree, tree, staged = (
        await tree_of(repo, base),
        await tree_of(repo, commit),
        await tree_of(repo, index),
    )
    if untracked:
        tree = await _with(repo, tree, untracked[0])
    paths = frozenset(await differences(repo, base_tree, tree)) | frozenset(
        await differences(repo, base_tree, staged)
    )
    if not set(await differences(repo, base_tree, staged)) & set(await differences(repo, staged, tree)):
        staged = ""  # what was staged is as in the work tree
    return Snapshot(base, base_tree, tree, staged or None, (), {}), paths


async def _with(repo: Repository, tree: str, untracked: str) -> str:
    """Return the tree with the files of the commit `untracked` as well."""
    added = await entries(repo, untracked)
    with temporary_index(repo) as index:
        await index.run("read-tree", tree)
        await index.set(added.items())
        return await index.tree()
