"""Which folders have to be watched so that no change in a folder of tasks goes unheard."""

from __future__ import annotations

import os
from dataclasses import dataclass

from supervisor.world.sources.tree import Folder, walk


@dataclass(frozen=True, slots=True)
class Survey:
    """The surroundings of a folder of tasks as they are now.

    `folders` are the folder and all below it, none if it does not exist. `above` are the folders that
    lead to it, as far as they exist: when one is moved, so is all below, without a word from below.
    `entrances` are pairs of such a folder and the name in it whose coming or going counts: the first
    that is missing, and those that are links, because a link may be turned elsewhere.
    """

    folders: tuple[str, ...]
    above: tuple[str, ...]
    entrances: tuple[tuple[str, str], ...]


def survey(folder: str) -> Survey:
    """Return the surroundings of the absolute path `folder`."""
    above: list[str] = []
    entrances: list[tuple[str, str]] = []
    here = "/"
    for name in os.path.abspath(folder).split("/")[1:]:  # noqa: PTH100 - text paths, and links are not resolved
        above.append(here)
        inner = os.path.join(here, name)  # noqa: PTH118 - text paths
        if os.path.islink(inner) or not os.path.isdir(inner):  # noqa: PTH112, PTH114 - text paths
            entrances.append((here, name))
        if not os.path.isdir(inner):  # noqa: PTH112 - text paths
            return Survey((), tuple(above), tuple(entrances))
        here = inner
    return Survey(_folders(folder), tuple(above), tuple(entrances))


def _folders(root: str) -> tuple[str, ...]:
    try:
        return tuple(visit.path for visit in walk(root) if isinstance(visit, Folder))
    except OSError:
        # It went away, or may not be read: the reading of the source says so.
        return ()
