"""The last resort: find and end what is left of a session whose worker died without a record."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import anyio
import anyio.to_thread
import psutil

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.launcher import Cleared
from supervisor.world.launch.spec import NOTICE
from supervisor.world.processes import boot_id, describe, open_pidfd, start_ticks

TAG = "LEASEHOLD_SESSION"
_FOLDER = "LEASEHOLD_NOTICE"  # a file in the session's folder, which tells installations apart
_EMPTY_SCANS = 3
_PAUSE = 0.02  # seconds between two scans, for a fork under way to become visible
_SCANS = 200


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
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environ = process.environ()
            session = environ.get(TAG, "")
            if session and environ.get(_FOLDER) == str(sessions / session / NOTICE):
                found.add(session)
    return frozenset(found)


def _kill_tagged(session: str) -> list[int]:
    killed = []
    boot = boot_id()
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        start = start_ticks(process.pid)
        with contextlib.suppress(psutil.Error, OSError):
            if start is None or process.environ().get(TAG) != session:
                continue
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            pidfd = open_pidfd(ProcessId(process.pid, start, boot))
            if pidfd is None:
                continue
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                killed.append(process.pid)
            finally:
                os.close(pidfd)
    return killed
