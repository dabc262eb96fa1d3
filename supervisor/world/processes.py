"""Which process is which: a pid alone proves nothing, since the kernel gives it out again."""

from __future__ import annotations

import errno
import functools
import os
from pathlib import Path

from supervisor.core.sessions.lifecycle import ProcessId

_START_FIELD = 22 - 3  # field 22 of /proc/PID/stat (proc(5)); the split begins at field 3


@functools.cache
def boot_id() -> str:
    """Return the identity of this boot; start times are comparable only within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot, or `None` if it is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b") ")[2].split()[_START_FIELD])


def parent(pid: int) -> int | None:
    """Return the parent's pid, or `None` if the process is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b") ")[2].split()[1])


def describe(pid: int) -> str:
    """Return what a process that would not die looks like: "pid 123 (name, state D, wchan x)"."""
    folder = Path(f"/proc/{pid}")
    try:
        stat = (folder / "stat").read_bytes().decode(errors="replace")
        name, _, rest = stat.partition("(")[2].rpartition(") ")
        wchan = (folder / "wchan").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return f"pid {pid}"
    return f"pid {pid} ({name}, state {rest[:1]}, wchan {wchan if wchan not in {'', '0'} else 'unknown'})"


def open_pidfd(identity: ProcessId) -> int | None:
    """Return a pidfd of exactly this process; `None` if it is gone, or if another has its number now.

    The start time is compared after the descriptor is open, so the number cannot change hands between.
    """
    if identity.boot_id and identity.boot_id != boot_id():
        return None
    try:
        fd = os.pidfd_open(identity.pid)
    except (ProcessLookupError, FileNotFoundError, OverflowError):
        return None  # nobody has the number, or a thread (ENOENT, of newer kernels)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.EPERM}:
            return None  # no process can have such a number, or it is a thread's
        raise
    if start_ticks(identity.pid) != identity.start:
        os.close(fd)
        return None
    return fd


def descendants(pid: int) -> set[int]:
    """Return the pids of the process and of all below it, as far as they can be seen now."""
    found = {pid}
    waiting = [pid]
    while waiting:
        at = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{at}/task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                children = (task / "children").read_text(encoding="ascii").split()
            except OSError:
                continue
            fresh = {int(child) for child in children} - found
            found |= fresh
            waiting += fresh
    return found
