"""What this computer lacks for booting a box."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from tests.system.box import cgroups

_PROGRAMS = ("unshare", "nsenter", "mount", "setpriv", "pivot_root", "ip")
_FILES = {
    "/lib/systemd/systemd": "systemd",
    "/usr/bin/dbus-daemon": "dbus",
    "/usr/lib/polkit-1/polkitd": "polkitd",
}


def missing() -> str | None:
    """Return why no box can be booted here, or None."""
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            return f"booting a systemd needs {program} (Debian: util-linux, iproute2)"
    for file, package in _FILES.items():
        if not Path(file).exists():
            return f"booting a systemd needs {file} (Debian: {package})"
    places = cgroups.hierarchies(Path("/proc/mounts").read_text())
    if "" not in places or not os.access(places[""], os.W_OK):
        return "booting a systemd needs a writable cgroup2 mount"
    return None


def missing_limits() -> str | None:
    """Return why limits of memory and tasks do not bite in a box here, or None."""
    if (reason := missing()) or limiting() == "hybrid":
        return reason
    root = cgroups.hierarchies(Path("/proc/mounts").read_text())[""]
    given = set((root / "cgroup.subtree_control").read_text().split())
    return None if {"memory", "pids"} <= given else f"{root} gives its groups no memory and pids controllers"


def limiting() -> Literal["unified", "hybrid"]:
    """Return the hierarchy of boxes in which limits of memory and tasks bite on this computer."""
    places = cgroups.hierarchies(Path("/proc/mounts").read_text())
    return "hybrid" if {"memory", "pids"} <= places.keys() else "unified"
