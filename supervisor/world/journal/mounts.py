"""Which file system a directory is on: SQLite's log needs memory that all its readers share."""

from __future__ import annotations

import os
from pathlib import Path

_KERNEL_LIST = Path("/proc/self/mountinfo")
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs"}


def network_filesystem(directory: Path, kernel_list: Path = _KERNEL_LIST) -> str | None:
    """Return the type of the network file system that `directory` is on, `None` if it is on none.

    A file system that cannot be told counts as local.
    """
    device = directory.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = kernel_list.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        # "36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw": the type follows the dash
        mount, _, filesystem = line.partition(" - ")
        if mount.split()[2:3] == [wanted] and filesystem.split()[0] in _NETWORK:
            return filesystem.split()[0]
    return None
