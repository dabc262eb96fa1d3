"""Put a salvage back into the work tree: first a plan that says what would happen, then all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from supervisor.world.git.repository import Repository
from supervisor.world.git.salvage.index import Entry, differences, empty_tree
from supervisor.world.git.salvage.keep import Kept
from supervisor.world.git.salvage.merge import merge
from supervisor.world.git.salvage.snapshot import GITLINK, take, tree_of
from supervisor.world.threads import in_thread


@dataclass(slots=True)
class Plan:
    """What applying does to each path.

    `writes` has the version to put in place (`None`: remove the file). `same` are there already. `merged`
    were changed by commits since, without a conflict; `marked` get both sides between conflict markers.
    Nothing is written while one of the others has a path: `dirty` has uncommitted changes now, `conflicts`
    says why a path cannot be written. `replaced` are dirty paths that are written over all the same.
    """

    writes: dict[str, Entry | None] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    dirty: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)

    def refused(self) -> bool:
        """Tell whether something keeps it from being carried out."""
        return bool(self.dirty or self.conflicts)


@dataclass(frozen=True, slots=True)
class Ways:
    """What may be done about a path that cannot simply be written.

    `force` takes the salvaged version over dirty files and conflicts, `markers` writes both sides of a
    conflict, `staged` takes the staged versions instead of those of the work tree.
    """

    force: bool = False
    markers: bool = False
    staged: bool = False


async def plan(repo: Repository, kept: Kept, chosen: Iterable[str] | None, ways: Ways) -> Plan:
    """Return what applying would do now to the chosen paths (`None`: to all); nothing is written.

    Raises:
        GitError: git cannot read the repository.
        OSError: there is no room for a temporary file.
    """
    label = kept.label
    base_tree = await tree_of(repo, label.base) if label.base else await empty_tree(repo)
    tree = await tree_of(repo, label.staged) if ways.staged and label.staged else kept.tree
    changes = await differences(repo, base_tree, tree)
    if chosen is not None:
        wanted = set(chosen)
        changes = {path: pair for path, pair in changes.items() if path in wanted}
    now = await take(repo, changes)
    committed = {path: new for path, (_, new) in (await differences(repo, base_tree, now.base_tree)).items()}
    present = {path: new for path, (_, new) in (await differences(repo, now.base_tree, now.tree)).items()}
    found = Plan()
    for path, (base, theirs) in changes.items():
        ours = committed.get(path, base)
        here = present.get(path, ours)
        if path in now.unkept:
            found.conflicts[path] = now.unkept[path]
        elif here == theirs:
            found.same.append(path)
        elif theirs is not None and theirs.mode == GITLINK:
            found.conflicts[path] = f"a submodule: `git -C {path} checkout {theirs.oid}`"
        elif here != ours and not ways.force:
            found.dirty.append(path)
        elif here != ours:
            found.replaced.append(path)
            found.writes[path] = theirs
        elif ours == base:
            found.writes[path] = theirs
        else:
            await _both_sides(repo, kept, found, path, (base, ours, theirs), ways)
    await in_thread(_look_for_obstacles, repo, found)
    return found


async def _both_sides(
    repo: Repository,
    kept: Kept,
    found: Plan,
    path: str,
    versions: tuple[Entry | None, Entry | None, Entry | None],
    ways: Ways,
) -> None:
    base, ours, theirs = versions
    merged = await merge(repo, base, ours, theirs, f"salvage {kept.id}")
    if merged is not None and not merged.has_markers:
        found.merged.append(path)
        found.writes[path] = merged.entry
    elif ways.force:
        found.writes[path] = theirs
    elif merged is not None and ways.markers:
        found.marked.append(path)
        found.writes[path] = merged.entry
    elif ours is None:
        found.conflicts[path] = "deleted by a commit since"
    elif theirs is None:
        found.conflicts[path] = "deleted in the salvage, but changed by a commit since"
    elif merged is None:
        found.conflicts[path] = "changed by a commit since, and not a text that can be merged"
    else:
        found.conflicts[path] = "the same lines were changed by a commit since"


def _look_for_obstacles(repo: Repository, found: Plan) -> None:
    """Note what else lies where a file is to be written: git would remove it without a word."""
    gone = {path for path, entry in found.writes.items() if entry is None}
    for path in [path for path, entry in found.writes.items() if entry is not None]:
        obstacle = _obstacle(str(repo.root), path, gone)
        if obstacle:
            found.conflicts[path] = f"{obstacle} is in its place"


def _obstacle(root: str, path: str, gone: set[str]) -> str:
    parts = path.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        place = f"{root}/{folder}"
        if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):  # noqa: PTH112, PTH114
            return "" if folder in gone else folder
    if os.path.isdir(f"{root}/{path}") and not os.path.islink(f"{root}/{path}"):  # noqa: PTH112, PTH114
        for folder, folders, names in os.walk(f"{root}/{path}"):
            for name in (*names, *(name for name in folders if os.path.islink(f"{folder}/{name}"))):  # noqa: PTH114
                inside = os.path.relpath(f"{folder}/{name}", root)
                if inside not in gone:
                    return inside
    return ""
