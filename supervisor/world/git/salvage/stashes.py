"""Salvages of what a session had git set aside: by `git stash`, or by a rebase or merge with --autostash."""

from __future__ import annotations

import os
from collections.abc import Iterator

from supervisor.core.sessions.integration import branch_of
from supervisor.world.git.repository import Repository
from supervisor.world.git.salvage.index import Entry, ask, differences, temporary_index
from supervisor.world.git.salvage.keep import REFS, store
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.snapshot import Snapshot, tree_of
from supervisor.world.threads import in_thread

_AUTOSTASHES = ("rebase-merge/autostash", "rebase-apply/autostash", "MERGE_AUTOSTASH")


async def keep_stashes(
    repo: Repository, tree: Repository | None, session: str, label: Label
) -> tuple[str, ...]:
    """Keep what was set aside on the session's branch; return the ids of these salvages, older ones included.

    A stash stays in git's list as well. What a rebase or merge under way has put by is only named in the folder
    that git has for the work tree `tree`, and would be gone with it.

    Raises:
        GitError: git cannot read the repository or write into it.
        OSError: there is no room for a temporary file.
    """
    name = f"{session}-stash"
    by_git = await in_thread(lambda: tuple(_autostashes(tree))) if tree is not None else ()
    for commit in (*await _stashed(repo, session), *by_git):
        snapshot = await _snapshot(repo, commit)
        if not snapshot.empty():
            await store(repo, name, label, snapshot)
    refs = await ask(repo, "for-each-ref", "--format=%(refname)", f"{REFS}{name}", f"{REFS}{name}-*")
    return tuple(ref.removeprefix(REFS) for ref in os.fsdecode(refs).split())


def _autostashes(tree: Repository) -> Iterator[str]:
    for name in _AUTOSTASHES:
        try:
            text = (tree.git_dir / name).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text and not text.strip("0123456789abcdef"):
            yield text


async def _stashed(repo: Repository, session: str) -> tuple[str, ...]:
    """Return the commits in git's list of stashes that say of themselves that they were made on the session's branch."""
    if not await ask(repo, "for-each-ref", "refs/stash"):
        return ()
    listed = await ask(repo, "log", "-z", "--walk-reflogs", "--format=%H %gs", "refs/stash", "--")
    found = []
    for line in listed.decode("utf-8", "replace").split("\0"):
        commit, _, said = line.partition(" ")
        if said.startswith((f"WIP on {branch_of(session)}: ", f"On {branch_of(session)}: ")):
            found.append(commit)
    return tuple(reversed(found))


async def _snapshot(repo: Repository, commit: str) -> Snapshot:
    """Read what a stash has: its parents are the commit checked out, what was staged, and maybe untracked files."""
    parents = os.fsdecode(await ask(repo, "rev-parse", f"{commit}^@")).split()
    base, index, *untracked = parents
    base_tree, tree, staged = (
        await tree_of(repo, base),
        await tree_of(repo, commit),
        await tree_of(repo, index),
    )
    if untracked:
        tree = await _with(repo, tree, untracked[0])
    if not set(await differences(repo, base_tree, staged)) & set(await differences(repo, staged, tree)):
        staged = ""  # what was staged is as in the work tree
    return Snapshot(base, base_tree, tree, staged or None, (), {})


async def _with(repo: Repository, tree: str, untracked: str) -> str:
    """Return the tree with the files of the commit `untracked` as well."""
    entries = []
    for line in os.fsdecode(await ask(repo, "ls-tree", "-r", "-z", untracked)).split("\0"):
        fields, _, path = line.partition("\t")
        if path:
            mode, _, oid = fields.split(" ")
            entries.append((path, Entry(mode, oid)))
    with temporary_index(repo) as index:
        await index.run("read-tree", tree)
        await index.set(entries)
        return await index.tree()
