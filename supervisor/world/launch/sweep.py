"""The last resort: find and end what is left of a session whose worker died, by the mark in its environment."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.launcher import Cleared
from supervisor.world.launch.spec import NOTICE
from supervisor.world.processes import boot_id, describe, open_pidfd, start_ticks

TAG = "LEASEHOLD_SESSION"
_FOLDER = "LEASEHOLD_NOTICE"  # a file in the session's folder, which tells installations apart
_EMPTY_SCANS = 3
_PAUSE = 0.02  # seconds between two scans, for a fork under way to become visible
_SCANS = 200
_NEWEST = 16  # process ids before the last one given out, among which a process that changes its id is
_QUIET = 0.02  # seconds without a find among those, after which there is no such process


async def sweep_tagged(session: str) -> Cleared:
    """Kill every process whose environment names this session; say which were found, and which stayed.

    Each is killed by pidfd after its environment was read through it, so that a recycled pid is never
    hit. A process that cleared its environment is not found: only its worker could have known it.
    """
    found: dict[int, None] = {}
    tagged: list[int] = []
    empty = 0
    for _ in range(_SCANS):
        tagged = await anyio.to_thread.run_sync(_kill_tagged, session)
        found.update(dict.fromkeys(tagged))
        empty = 0 if tagged else empty + 1
        if empty == _EMPTY_SCANS:
            break
        await anyio.sleep(_PAUSE)
    return Cleared(tuple(pid for pid in found if pid not in tagged), tuple(map(describe, tagged)))


def tagged_sessions(sessions: Path) -> frozenset[str]:
    """Return the sessions that living processes name as theirs, of those with their folder under `sessions`."""
    found = set()
    for pid in _pids():
        environ = dict(
            word.partition("=")[::2] for word in _environ(pid).decode(errors="replace").split("\0")
        )
        session = environ.get(TAG, "")
        if session and environ.get(_FOLDER) == str(sessions / session / NOTICE):
            found.add(session)
    return frozenset(found)


def _kill_tagged(session: str) -> list[int]:
    mark = f"\0{TAG}={session}\0".encode()
    boot = boot_id()
    killed = [pid for pid in _pids() if _kill(pid, mark, boot)]
    return killed + _chase(mark, boot)


def _chase(mark: bytes, boot: str) -> list[int]:
    """Kill those that fork and leave faster than all of /proc can be read: they are among the newest."""
    killed = []
    began = time.monotonic()
    quiet_at = began + _QUIET
    while (now := time.monotonic()) < quiet_at and now < began + 1:
        last = int(Path("/proc/loadavg").read_bytes().split()[-1])
        for pid in range(last, max(last - _NEWEST, 1), -1):
            if _kill(pid, mark, boot):
                killed.append(pid)
                quiet_at = time.monotonic() + _QUIET
    return killed


def _kill(pid: int, mark: bytes, boot: str) -> bool:
    """Kill a process if its environment has the mark; tell whether it was killed now."""
    if mark not in _environ(pid):
        return False
    start = start_ticks(pid)
    pidfd = None if start is None else open_pidfd(ProcessId(pid, start, boot))
    if pidfd is None:
        return False
    try:
        if mark not in _environ(pid):  # looked at again, now that the number cannot change hands
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def _pids() -> Iterator[int]:
    me = os.getpid()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and int(entry.name) != me:
                yield int(entry.name)


def _environ(pid: int) -> bytes:
    """Return the environment that a process was started with, a NUL before and after each variable.

    A process whose first thread has ended is asked through the others; one that is gone has none.
    """
    if found := _read(f"/proc/{pid}/environ"):
        return b"\0" + found
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if found := _read(f"{thread}/environ"):
                return b"\0" + found
    return b""


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # gone, a zombie, or not ours to look at
        return b""
