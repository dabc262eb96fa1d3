"""How much room the file systems have that sessions write to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from supervisor.world.config.values import size_text

INODES = 1000  # fewer free ones count as none
_MORE = 1.1  # times the floor is wanted once there was less


def shortage(places: Iterable[Path], floor: int, *, was_short: bool) -> str:
    """Return in one line which of `places` has less than `floor` bytes free, or too few inodes; "" if none.

    A place that cannot be asked counts as having room: what needs it will say what is wrong. A floor of
    nothing is never reached.
    """
    if not floor:
        return ""
    wanted = floor * _MORE if was_short else floor
    for place in places:
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        free = found.f_bavail * found.f_frsize
        if free < wanted:
            left = size_text(free >> 20 << 20) if free >= 1 << 20 else f"{free >> 10}KiB"
            return f"{place} has {left} free, supervisor.disk_floor is {size_text(floor)}; free space there"
        if found.f_files and found.f_favail < INODES * (_MORE if was_short else 1):
            return f"{place} has {found.f_favail} inodes free, fewer than {INODES}; remove files there"
    return ""
