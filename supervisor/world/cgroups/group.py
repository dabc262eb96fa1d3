"""One group with all that is below it: made, limited, killed as one, and removed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

_ROUND = 0.1  # seconds; what was killed is gone within a few milliseconds
CONTROLLERS = {"memory": "memory.max", "pids": "pids.max"}


def populated(group: Path) -> bool:
    """Tell whether a process lives in the group or below it; one that is not there is empty."""
    try:
        events = (group / "cgroup.events").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return "populated 1" in events.splitlines()


def members(group: Path) -> list[int]:
    """Return the pids in the group and below it, without those that are only waiting to be collected."""
    found: list[int] = []
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found += map(int, Path(folder, "cgroup.procs").read_text(encoding="ascii").split())
    return found


def kill(group: Path) -> None:
    """Kill every process in the group and below it at once; what forks meanwhile is killed too.

    Raises:
        OSError: it is not ours to kill, or the kernel has no cgroup.kill (before 5.14).
    """
    (group / "cgroup.kill").write_text("1", encoding="ascii")


def wait_empty(group: Path, seconds: float) -> bool:
    """Wait until nothing lives in the group; return whether that came. Blocks: call it in a thread."""
    give_up_at = time.monotonic() + seconds
    try:
        descriptor = os.open(group / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLPRI)
        while "populated 1" in os.pread(descriptor, 4096, 0).decode("ascii").splitlines():
            left = give_up_at - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
    except OSError:
        return not group.exists()  # ENODEV: it was removed under us
    finally:
        os.close(descriptor)
    return True


def end(group: Path, seconds: float) -> list[int]:
    """Kill what lives in the group until nothing does; return what is left after `seconds`.

    Blocks: call it in a thread.

    Raises:
        OSError: as `kill` does.
    """
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        kill(group)
        if wait_empty(group, _ROUND):
            return []
        # cgroup.kill aims at the first thread of each process, and misses where only that one has ended.
        for pid in members(group):
            _kill_member(group, pid)
    return members(group)


def _kill_member(group: Path, pid: int) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if pid in members(group):  # looked at after it was opened: the number cannot have changed hands since
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


def remove(group: Path) -> None:
    """Remove an empty group and those below it.

    Raises:
        OSError: something lives in it.
    """
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            Path(folder).rmdir()


def count(group: Path, file: str, key: str) -> int:
    """Return a number from a file of lines "key number"; 0 where there is none."""
    try:
        lines = (group / file).read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [key]), 0)


def hand_down(group: Path) -> frozenset[str]:
    """Let the groups below have limits; return the names of the controllers with which that worked."""
    for name in CONTROLLERS:
        with contextlib.suppress(OSError):  # not there, or processes in the group itself forbid it
            (group / "cgroup.subtree_control").write_text(f"+{name}", encoding="ascii")
    try:
        enabled = (group / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except OSError:
        return frozenset()
    return frozenset(enabled) & CONTROLLERS.keys()


def limit(group: Path, controller: str, value: int) -> None:
    """Set the group's limit of `controller`.

    Raises:
        OSError: the controller was not handed down to it.
    """
    # Not written as a new file: where the controller is absent there is none, and none can be made.
    descriptor = os.open(group / CONTROLLERS[controller], os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode("ascii"))
    finally:
        os.close(descriptor)
