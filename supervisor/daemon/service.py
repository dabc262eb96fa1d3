"""The supervisor as a service of systemd: when it is ready, what it is at, and that its loop still turns.

Without a service manager all of it does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from supervisor.core.decisions.admission import Open, admission_name
from supervisor.core.tasks.standing import Parked, Ready
from supervisor.daemon.authority import Authority
from supervisor.daemon.situation import Situation
from supervisor.world.systemd.attached import Attached

_TOGETHER = 0.2  # seconds that changes wait for others before the status line is written
_BARRIER = 1.0  # seconds to wait, at the end, until the manager has read the last message


class Service:
    """Tells the service manager what happens."""

    def __init__(self, authority: Authority, situation: Situation, attached: Attached) -> None:
        self._authority = authority
        self._situation = situation
        self._notifier = attached.notifier
        self._watchdog = attached.watchdog
        self._handed = attached.handed
        self._kept = set(attached.handed.kept)  # names of what the manager has
        self._told = ""
        self._timer: asyncio.TimerHandle | None = None
        self._pulse: asyncio.TimerHandle | None = None

    def ready(self) -> None:
        """Say that it answers, and begin to say what it is at and that it lives."""
        for session in tuple(self._handed.kept):  # what nobody asked for is of workers that are gone
            self.forget(session)
        self._handed.close()
        if not self._notifier.connected:
            return
        self._told = self.status()
        self._notifier.send("READY=1", f"STATUS={self._told}")
        self._authority.after.append(self._look)
        if self._watchdog is not None:
            self._beat()

    def stopping(self, why: str) -> None:
        """Say that it ends, and that this is no fault."""
        for timer in (self._timer, self._pulse):
            if timer is not None:
                timer.cancel()
        if self._notifier.send("STOPPING=1", f"STATUS={why}"):
            self._notifier.barrier(_BARRIER)

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that it reads its configuration, and after the block that it is ready again."""
        self._notifier.reloading()
        try:
            yield
        finally:
            self._notifier.send("READY=1")

    def keep(self, session: str, pidfd: int) -> None:
        """Have the manager keep a worker's pidfd for the next start, unless it has it from the last one."""
        if session in self._kept:
            return
        if self._notifier.keep(session, pidfd):
            self._kept.add(session)

    def forget(self, session: str) -> None:
        """Have the manager drop a worker's pidfd."""
        if session in self._kept:
            self._kept.discard(session)
            self._notifier.forget(session)

    def kept(self, session: str, pid: int) -> int | None:
        """Return the pidfd of worker `pid` that the manager kept, if any; the caller owns it.

        It only saves a look: who the worker is was proven from its lock and its start time before.
        """
        return self._handed.pidfd(session, pid)

    def status(self) -> str:
        """Return the line for `systemctl status`: sessions, tasks, and the signal acknowledged last."""
        tables = self._authority.tables
        ready = parked = 0
        for work in tables.backlog.works():
            match tables.backlog.track(work.task.key).standing:
                case Ready() if not tables.backlog.closed(work.task.key):
                    ready += not tables.backlog.blockers(work.task.key)
                case Parked():
                    parked += 1
                case _:
                    pass
        said = f"{len(tables.roster)} running, {ready} ready, {parked} parked"
        if not isinstance(tables.admission, Open):
            said += f", {admission_name(tables.admission)}"
        if signal := self._situation.last_signal:
            said += f"; {signal['signal']} (generation {signal['generation']}): {signal['answer']}"
        return said

    def _look(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TOGETHER, self._tell)

    def _tell(self) -> None:
        self._timer = None
        said = self.status()
        if said != self._told and self._notifier.status(said):
            self._told = said

    def _beat(self) -> None:
        """Ask for life: it comes from the loop itself, so a loop that hangs is silent and is restarted."""
        assert self._watchdog is not None  # noqa: S101  - only begun when there is one
        self._notifier.send("WATCHDOG=1")
        self._pulse = asyncio.get_running_loop().call_later(self._watchdog / 3, self._beat)
