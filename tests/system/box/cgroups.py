"""The control groups that a box lives in: one in every hierarchy of the computer that it uses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

PREFIX = "leasehold-box-"


def hierarchies(mounts: str) -> dict[str, Path]:
    """Return the mount point of each hierarchy named in the text of /proc/mounts, "" for version 2."""
    found: dict[str, Path] = {}
    for line in mounts.splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2":
            found.setdefault("", Path(place))
        elif kind == "cgroup":
            for option in options.split(","):
                if option in _VERSION_1 or option.startswith("name="):
                    found.setdefault(option, Path(place))
    return found


_VERSION_1 = ("memory", "pids", "devices", "freezer", "blkio", "cpu", "cpuacct", "cpuset")


def make(name: str, places: Iterable[Path]) -> list[Path]:
    """Make the group `name` in each place, and return them."""
    made = []
    for place in dict.fromkeys(places):
        sweep(place)
        group = place / name
        group.mkdir()
        made.append(group)
        if (group / "cpuset.cpus").exists() and not (group / "cpuset.cpus").read_text().strip():
            for file in ("cpuset.cpus", "cpuset.mems"):  # an empty set takes no process
                (group / file).write_text((place / file).read_text())
            (group / "cgroup.clone_children").write_text("1")
    return made


def sweep(place: Path) -> None:
    """Remove what the boxes of test processes that are gone left in `place`, if their keepers died too."""
    for group in place.glob(f"{PREFIX}*"):
        owner = group.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            remove(group)


def remove(group: Path, patience: float = 5.0) -> list[Path]:
    """Remove a group with all below it; return what could not be removed within `patience` seconds."""
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + patience
    while True:
        for inner in sorted(_below(group), key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                inner.rmdir()
        if not group.exists():
            return []
        if time.monotonic() > deadline:
            return _below(group)
        time.sleep(0.01)  # the kernel tells nobody when a killed process has left its last group


def _below(group: Path) -> list[Path]:
    try:
        inner = [path for path in group.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []
    return [group, *(deeper for path in inner for deeper in _below(path))]
