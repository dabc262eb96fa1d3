"""Who holds a lock on a file, read from the kernel's list."""

from __future__ import annotations

import os
from pathlib import Path

_KERNEL_LIST = Path("/proc/locks")


def lock_holders(*paths: Path) -> tuple[int, ...]:
    """Return the pids of other processes that hold a lock on one of `paths`, smallest first.

    The list is read instead of asking with F_GETLK, because closing the descriptor that asks would
    drop the locks that this process's own SQLite connections hold on the file. Holders in another
    PID namespace are not seen.
    """
    wanted = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        wanted.add(f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}")
    try:
        lines = _KERNEL_LIST.read_text().splitlines()
    except OSError:
        return ()
    pids = set()
    for line in lines:
        fields = line.split()
        # "1: FLOCK ADVISORY WRITE 812 fe:00:131 0 EOF"; a blocked request has "->" as second field
        if len(fields) == 8 and fields[5] in wanted and int(fields[4]) > 0:
            pids.add(int(fields[4]))
    pids.discard(os.getpid())
    return tuple(sorted(pids))
