"""Three versions of a file into one, where both sides changed it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.index import Entry, ask
from supervisor.world.threads import in_thread

_FILES = ("100644", "100755")
_MOST_CONFLICTS = 127  # git's exit status counts the conflicts up to this; above are errors


@dataclass(frozen=True, slots=True)
class Merged:
    """Both changes went in; `has_markers` when some lines are both sides' and stand between markers."""

    entry: Entry
    has_markers: bool


async def merge(
    repo: Repository, base: Entry | None, ours: Entry | None, theirs: Entry | None, name: str
) -> Merged | None:
    """Merge two changes of one text file; `None` when they are not of a kind that can be merged.

    `name` is what the other side is called in markers.

    Raises:
        GitError: git cannot read or write objects.
        OSError: there is no room for a temporary file.
    """
    if ours is None or theirs is None or ours.mode not in _FILES or theirs.mode not in _FILES:
        return None
    mode = theirs.mode if base is None or theirs.mode != base.mode else ours.mode
    with tempfile.TemporaryDirectory(prefix="leasehold-merge-") as folder:
        places = [Path(folder, side) for side in ("ours", "base", "theirs")]
        for place, entry in zip(places, (ours, base, theirs), strict=True):
            content = await ask(repo, "cat-file", "blob", entry.oid) if entry else b""
            await in_thread(place.write_bytes, content)
        labels = ("-L", "checked out", "-L", "base", "-L", name)
        has_markers = False
        try:
            await ask(repo, "merge-file", "--quiet", "--diff3", *labels, "--", *map(str, places))
        except GitError as error:
            if error.status is None or not 0 < error.status <= _MOST_CONFLICTS:
                return None  # a binary file
            has_markers = True
        content = await in_thread(places[0].read_bytes)
    oid = (await ask(repo, "hash-object", "-w", "--stdin", stdin=content)).decode().strip()
    return Merged(Entry(mode, oid), has_markers)
