"""The last resort: find and end what is left of a session whose worker died, by its mark."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.launcher import Cleared
from supervisor.world.launch.mark import Mark, pids
from supervisor.world.processes import boot_id, describe, open_pidfd, start_ticks
from supervisor.world.threads import in_thread

_EMPTY_SCANS = 3
_PAUSE = 0.02  # seconds between two scans, for a fork under way to become visible
_SCANS = 200
_NEWEST = 16  # process ids before the last one given out, among which a process that changes its id is
_ANCHORS = 16  # processes that are held at once
_QUIET = 0.02  # seconds without a find among those, after which there is no such process


async def sweep_tagged(session: str, folder: Path) -> Cleared:
    """Kill every process that names this session in its environment, and what they have beside them.

    That is the session of processes which the harness led: what is in it is found although it cleared its
    environment, as long as one that did not is in it too. What left both is not found: only its worker could have
    known it. Each is killed by pidfd, after it was looked at through it, so that a recycled pid is never hit.
    """
    hunt = Hunt(Mark.of(session, folder))
    found: dict[int, None] = {}
    left: list[int] = []
    empty = 0
    try:
        for _ in range(_SCANS):
            left = await in_thread(hunt.round)
            found.update(dict.fromkeys(left))
            empty = 0 if left else empty + 1
            if empty == _EMPTY_SCANS:
                break
            await anyio.sleep(_PAUSE)
    finally:
        hunt.close()
    return Cleared(tuple(pid for pid in found if pid not in left), tuple(map(describe, left)))


class Hunt:
    """Rounds of one sweep.

    Marked processes of the harness's session are stopped and killed last: while one is there, the number of that
    session is no other's, and who is in it is the session's. One alone may be dying already, as the harness does after
    its worker.
    """

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._boot = boot_id()
        self._anchors: dict[int, int] = {}  # pidfds of those that are stopped, by pid

    def round(self) -> list[int]:
        """Kill what is there; return what was found."""
        found = [pid for pid in pids() if self.strike(pid)]
        found += self._chase()
        beside = [pid for pid in pids() if self._strike_beside(pid)] if self._hold() else []
        if not beside:
            found += self._anchors
            self.close()
        return [*found, *beside]

    def close(self) -> None:
        """Kill the processes that were held: they are marked, and must not be left standing."""
        anchors, self._anchors = self._anchors, {}
        for pidfd in anchors.values():
            _kill(pidfd)

    def _chase(self) -> list[int]:
        """Kill those that fork and leave faster than all of /proc can be read: they are among the newest."""
        killed = []
        began = time.monotonic()
        quiet_at = began + _QUIET
        while (now := time.monotonic()) < quiet_at and now < began + 1:
            last = int(Path("/proc/loadavg").read_bytes().split()[-1])
            for pid in range(last, max(last - _NEWEST, 1), -1):
                if self.strike(pid):
                    killed.append(pid)
                    quiet_at = time.monotonic() + _QUIET
        return killed

    def strike(self, pid: int) -> bool:
        """Kill a process if it has the mark, or stop it to be held; tell whether it was killed."""
        if pid in self._anchors:
            return False
        pidfd = self._open(pid, self._mark.is_on)
        if pidfd is None:
            return False
        if len(self._anchors) < _ANCHORS and self._mark.led(pid):
            self._anchors[pid] = pidfd
            _signal(pidfd, signal.SIGSTOP)
            return False
        return _kill(pidfd)

    def _strike_beside(self, pid: int) -> bool:
        """Kill a process of the harness's session; tell whether there was one to kill."""
        if pid in self._anchors:
            return False
        pidfd = self._open(pid, self._mark.led)
        if pidfd is None:
            return False
        if not self._hold():  # looked at after the other: only then was the number the session's all the time
            os.close(pidfd)
            return False
        return _kill(pidfd)

    def _hold(self) -> bool:
        """Tell whether a process that is held still lives, in the harness's session; let go of the others."""
        for pid, pidfd in list(self._anchors.items()):
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if not poll.poll(0) and self._mark.led(pid):
                return True
            del self._anchors[pid]
            _kill(pidfd)
        return False

    def _open(self, pid: int, belongs: Callable[[int], bool]) -> int | None:
        if not belongs(pid):
            return None
        start = start_ticks(pid)
        pidfd = None if start is None else open_pidfd(ProcessId(pid, start, self._boot))
        if pidfd is not None and not belongs(pid):  # looked at again, now that the number cannot change hands
            os.close(pidfd)
            return None
        return pidfd


def _signal(pidfd: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):  # it is gone
        signal.pidfd_send_signal(pidfd, number)


def _kill(pidfd: int) -> bool:
    """Kill a process and close its pidfd; tell whether there was one, also if it is not ours to kill."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except PermissionError:
        return True  # of another user: it stays, and is told as what could not be killed
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True
