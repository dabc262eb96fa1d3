"""Where groups can be made: the cgroup2 mount, our own place in it, and the places above."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MARK = "leasehold-"  # the name of an installation's group begins with it
_OCTAL = re.compile(r"\\([0-7]{3})")


class CgroupError(Exception):
    """Groups cannot be used here; one line says why."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The mounted cgroup2 hierarchy, and the group that this process is in."""

    mount: Path
    own: Path


def look(proc: Path = Path("/proc")) -> Hierarchy:
    """Return the cgroup2 hierarchy of this host, be it the only one or one beside those of version 1.

    Raises:
        CgroupError: none is mounted, or this process is outside of what is mounted.
    """
    mount = _mount((proc / "self/mounts").read_text(encoding="utf-8", errors="surrogateescape"))
    if mount is None:
        raise CgroupError("no cgroup2 file system is mounted")
    listed = (proc / "self/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    inside = next((line[3:] for line in listed.splitlines() if line.startswith("0::")), None)
    if inside is None:
        raise CgroupError("this process is in no cgroup of version 2")
    inside = inside.removesuffix(" (deleted)")
    if ".." in inside.split("/"):
        raise CgroupError("this process is outside of its cgroup namespace")
    return Hierarchy(mount, mount / inside.lstrip("/"))


def places(hierarchy: Hierarchy) -> list[Path]:
    """Return the groups below which ours could be made, the best first.

    The higher one, the less can end our sessions together with us. Inside a session of another supervisor
    only our own group is left, so that what ends that session ends ours.
    """
    inside = hierarchy.own.relative_to(hierarchy.mount).parts
    if any(part.startswith(MARK) for part in inside):
        return [hierarchy.own]
    return [hierarchy.mount.joinpath(*inside[:depth]) for depth in range(len(inside) + 1)]


def mortal(hierarchy: Hierarchy, place: Path) -> str | None:
    """Return the name of the unit that would take groups below `place` with it when it ends, if there is one.

    A user's service manager is none: it is meant to live as long as what its user runs.
    """
    for part in place.relative_to(hierarchy.mount).parts:
        if part.endswith((".service", ".scope")) and not part.startswith(("user@", "init.scope")):
            return part
    return None


def unit_around(proc: Path = Path("/proc")) -> str | None:
    """Return the unit that this process is in, if what it starts without a group of its own ends with it."""
    try:
        hierarchy = look(proc)
    except CgroupError:
        return None
    return mortal(hierarchy, hierarchy.own)


def _mount(mounts: str) -> Path | None:
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "cgroup2":
            return Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1]))
    return None
