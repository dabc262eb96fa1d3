"""Keep paths in a salvage: snapshot, commit, and a reference that is moved only from where it was seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.index import ask, differences, empty_tree
from supervisor.world.git.salvage.message import Label, parse, render
from supervisor.world.git.salvage.snapshot import Snapshot, base_of, take, tree_of

REFS = "refs/leasehold/salvage/"
_TRIES = 100  # names for one id


@dataclass(frozen=True, slots=True)
class Kept:
    """A salvage as it is in the repository; `tree` has the work tree's version of its paths."""

    id: str
    commit: str
    tree: str
    label: Label

    @property
    def ref(self) -> str:
        """The full name of its reference."""
        return REFS + self.id


async def keep(
    repo: Repository, name: str, label: Label, *, limit: int | None = None
) -> tuple[Kept | None, Snapshot]:
    """Commit the paths of `label` to the reference of `name`; `None` when nothing of them differs from HEAD.

    Doing it again with the same files leaves the reference as it is. An earlier salvage under this name
    that has other versions of the files is not overwritten either: the new one is called NAME-2, and so on.
    Paths that cannot be kept are in the snapshot's `unkept`, and so in the label of what was kept.

    Raises:
        GitError: git cannot write into the repository, or the reference is locked; nothing has changed.
        OSError: there is no room for a temporary file.
    """
    snapshot = await take(repo, (*label.paths, *label.unleased), limit=limit)
    if snapshot.empty():
        return None, snapshot
    changed = await _changed(repo, snapshot)
    label = replace(
        label,
        paths=tuple(path for path in label.paths if path in changed),
        unleased=tuple(path for path in label.unleased if path in changed),
    )
    return await store(repo, name, label, snapshot), snapshot


async def store(repo: Repository, name: str, label: Label, snapshot: Snapshot) -> Kept:
    """Commit a snapshot to the reference of `name`, as `keep` does; a label that names no paths gets all of them.

    Raises:
        GitError: git cannot write into the repository, or the reference is locked; nothing has changed.
    """
    changed = await _changed(repo, snapshot)
    label = replace(
        label,
        paths=label.paths if label.paths or label.unleased else tuple(sorted(changed)),
        base=snapshot.base or "",
        raw=snapshot.raw,
        unkept=snapshot.unkept,
    )
    for number in range(1, _TRIES):
        id_ = name if number == 1 else f"{name}-{number}"
        earlier = await find(repo, id_)
        if earlier is None:
            commit, label = await _commit(repo, snapshot, label)
            await _create(repo, REFS + id_, commit)
            await _require_whole(repo, REFS + id_, commit, label)
            return Kept(id_, commit, snapshot.tree, label)
        if await _has_all(repo, earlier, snapshot, changed):
            return earlier
    raise GitError(f"there are {_TRIES - 1} salvages of {name} already; drop some: `leasehold salvage drop`")


async def _changed(repo: Repository, snapshot: Snapshot) -> set[str]:
    """Return the paths in which a snapshot differs from its commit."""
    changed = set(await differences(repo, snapshot.base_tree, snapshot.tree))
    if snapshot.staged_tree:
        changed |= set(await differences(repo, snapshot.base_tree, snapshot.staged_tree))
    return changed


async def find(repo: Repository, id_: str) -> Kept | None:
    """Return the salvage of this id, if there is one.

    Raises:
        GitError: the repository cannot be read.
    """
    try:
        commit = (
            (await ask(repo, "rev-parse", "--verify", "--quiet", f"{REFS}{id_}^{{commit}}")).decode().strip()
        )
    except GitError as error:
        if error.status != 1:
            raise
        return None
    message = await ask(repo, "cat-file", "commit", commit)
    label = parse(message.partition(b"\n\n")[2].decode("utf-8", "surrogateescape"))
    tree = await tree_of(repo, commit)
    if label.more:
        label = replace(label, paths=await _all_paths(repo, tree, label), more=0)
    return Kept(id_, commit, tree, label)


async def _all_paths(repo: Repository, tree: str, label: Label) -> tuple[str, ...]:
    """Return the paths of a salvage from the commit itself, where they are too many for its message."""
    base_tree = await tree_of(repo, label.base) if label.base else await empty_tree(repo)
    changed = set(await differences(repo, base_tree, tree))
    if label.staged:
        changed |= set(await differences(repo, base_tree, await tree_of(repo, label.staged)))
    return tuple(sorted(changed - set(label.unleased)))


async def contains(repo: Repository, one: Kept, other: Kept) -> bool:
    """Tell whether `one` has every path of `other` in the same version, so that `other` adds nothing."""
    ours = {*one.label.paths, *one.label.unleased}
    theirs = {*other.label.paths, *other.label.unleased}
    if not theirs <= ours or await _staged_of(repo, other) != await _staged_of(repo, one):
        return False
    return not theirs & set(await differences(repo, one.tree, other.tree))


async def is_landed(repo: Repository, kept: Kept) -> bool:
    """Tell whether the commit checked out has every path of a salvage in the salvaged version."""
    if kept.label.staged:
        return False
    _, tree = await base_of(repo)
    return not {*kept.label.paths, *kept.label.unleased} & set(await differences(repo, tree, kept.tree))


async def _has_all(repo: Repository, earlier: Kept, snapshot: Snapshot, changed: set[str]) -> bool:
    if changed & set(await differences(repo, earlier.tree, snapshot.tree)):
        return False
    if snapshot.staged_tree is None:
        return True
    staged = await _staged_of(repo, earlier)
    return staged is not None and not changed & set(await differences(repo, staged, snapshot.staged_tree))


async def _staged_of(repo: Repository, kept: Kept) -> str | None:
    """Return the tree of the staged versions in a salvage, if it has any that are not the work tree's."""
    return await tree_of(repo, kept.label.staged) if kept.label.staged else None


async def _commit(repo: Repository, snapshot: Snapshot, label: Label) -> tuple[str, Label]:
    parents = ["-p", snapshot.base] if snapshot.base else []
    if snapshot.staged_tree:
        text = f"Staged versions of what follows\n\n{render(label)}"
        label = replace(label, staged=await _write(repo, snapshot.staged_tree, parents, text))
        parents += ["-p", label.staged]
    return await _write(repo, snapshot.tree, parents, render(label)), label


async def _write(repo: Repository, tree: str, parents: list[str], message: str) -> str:
    data = message.encode("utf-8", "surrogateescape")
    return (await ask(repo, "commit-tree", *parents, tree, stdin=data)).decode().strip()


async def _create(repo: Repository, ref: str, commit: str) -> None:
    """Make the reference, unless somebody was faster: then git refuses."""
    await ask(repo, "update-ref", "--stdin", "-z", stdin=f"create {ref}\0{commit}\0".encode())


async def _require_whole(repo: Repository, ref: str, commit: str, label: Label) -> None:
    """See that every object of a new salvage is there: before it had a name, a `git prune` could take some away.

    Raises:
        GitError: some are not; the reference is gone again.
    """
    try:
        await ask(
            repo, "rev-list", "--objects", "--quiet", commit, *([f"^{label.base}"] if label.base else [])
        )
    except GitError as error:
        await ask(repo, "update-ref", "-d", ref, commit)
        raise GitError(f"what was salvaged is not all there: {error}; was git pruned meanwhile?") from error
