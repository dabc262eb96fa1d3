"""Strays, which live without the journal's knowledge: found at the start, told, never doubled, and ended at a word."""

from __future__ import annotations

import os
import signal

import anyio
from anyio.abc import TaskGroup

from supervisor.core.decisions import orders
from supervisor.core.decisions.effects import Note
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.core.sessions.reconcile import Lock, Row
from supervisor.daemon.authority import Authority
from supervisor.daemon.places import Places
from supervisor.daemon.situation import Situation
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.journal.journal import Journal
from supervisor.world.launch import records
from supervisor.world.launch.launcher import Launcher, LaunchError
from supervisor.world.launch.link import WorkerLink
from supervisor.world.launch.local import reap
from supervisor.world.launch.stray import Stray, find_strays, judge_stray
from supervisor.world.processes import open_pidfd
from supervisor.world.threads import in_thread

_LOOK = 5.0  # seconds that the launchers have to say what lives; a start does not wait longer
_ASK = 15.0  # seconds that a worker has to end its tree, which it does better than anybody else
_DIE = 5.0  # seconds for a killed worker to be gone


class Strays:
    """Such a session is not taken over, since nothing says what it was promised; its worker keeps its budget."""

    def __init__(
        self,
        authority: Authority,
        journal: Journal,
        places: Places,
        launcher: Launcher,
        situation: Situation,
        group: TaskGroup,
    ) -> None:
        self._authority = authority
        self._journal = journal
        self._places = places
        self._launcher = launcher
        self._situation = situation
        self._group = group
        self._killing: set[str] = set()

    async def look(self) -> None:
        """Tell of each stray, and hold its task while the operator decides."""
        known = {session.id for session in self._authority.tables.roster}
        alive: frozenset[str] = frozenset()
        with anyio.move_on_after(_LOOK):
            alive = await self._launcher.alive()
        for stray in await in_thread(find_strays, self._places.sessions, alive, self._row, known):
            self._tell(stray)

    def kill(self, session: str, by: str, later: Later) -> None:
        """End a stray, if it is proven to be one of this installation; `later` is answered when it is gone."""
        self._group.start_soon(self._kill, session, by, later, name=f"kill stray {session}")

    def _row(self, session: str) -> Row:
        # It is on no roster: a row that calls it alive cannot be read, and answers for nothing.
        return Row.MISSING if self._journal.session(session) is None else Row.ENDED

    def _tell(self, stray: Stray) -> None:
        folder, worker = self._places.folder(stray.session), stray.sight.worker
        task = records.read_task(folder)
        self._situation.strays[stray.session] = f"{stray.why}; {stray.way_out}"
        data = {"why": stray.why, "worker_pid": worker.pid if worker else None, "folder": str(folder)}
        self._authority.do([Note("session.stray", stray.session, task, data)])
        if worker is not None:
            self._group.start_soon(self._until_gone, stray.session, worker, name=f"stray {stray.session}")
        if task is None:
            return
        why = f"session {stray.session} of it lives: {stray.why}; {stray.way_out}, then `leasehold task release`"
        held = orders.hold(self._authority.tables, task, "supervisor", why, self._authority.now())
        if not isinstance(held, orders.NotDone):
            self._authority.do(held)

    async def _until_gone(self, session: str, worker: ProcessId) -> None:
        """Strike a stray off the list once it has ended by itself."""
        pidfd = open_pidfd(worker)
        if pidfd is not None:
            try:
                await anyio.wait_readable(pidfd)
            finally:
                os.close(pidfd)
        if session not in self._killing and session not in await self._launcher.alive():
            self._gone(session, "itself")

    def _gone(self, session: str, by: str) -> None:
        if self._situation.strays.pop(session, None) is None:
            return  # it was said
        task = records.read_task(self._places.folder(session))
        self._authority.do([Note("session.stray_ended", session, task, {"by": by})])

    async def _kill(self, session: str, by: str, later: Later) -> None:
        if session in self._killing:
            later.refuse(RpcError(Code.TRY_LATER, f"stray {session} is being ended already"))
            return
        self._killing.add(session)
        try:
            refused = await self._ended(session)
        except (LaunchError, OSError) as error:
            refused = str(error)
        finally:
            self._killing.discard(session)
        if refused:
            later.refuse(RpcError(Code.REFUSED, f"stray {session} could not be ended: {refused}"))
            return
        self._gone(session, by)
        task = records.read_task(self._places.folder(session))
        held = f"; `leasehold task release {task}` lets its task start again" if task else ""
        sentence = f"killed by {by}; it was a stray, and is in no account{held}"
        later.answer({"session": session, "outcome": "killed", "sentence": sentence})

    async def _ended(self, session: str) -> str:
        """End a stray; return why that was not done, or not wholly."""
        folder = self._places.folder(session)
        alive = session in await self._launcher.alive()
        stray = await in_thread(judge_stray, folder, self._row(session), alive)
        if stray is None:
            return ""
        if stray.sight.found.lock is Lock.HELD:
            return f"{stray.why}; it says pid {records.holder(folder)}"
        if stray.sight.worker is not None and not await self._end_worker(session, stray.sight.worker):
            return f"its worker, pid {stray.sight.worker.pid}, does not die"
        left = await self._launcher.clear(session, folder)
        return ", ".join(left.survivors)

    async def _end_worker(self, session: str, worker: ProcessId) -> bool:
        """Let a worker end its tree and itself, or kill it; tell whether it is gone."""
        pidfd = open_pidfd(worker)
        if pidfd is None:
            return True
        link = await self._reach(session, worker)
        try:
            asked = link is not None and link.order("kill", cause="kill", by="operator", why="it was a stray")
            if asked and await _over(pidfd, _ASK):
                return True
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return await _over(pidfd, _DIE)
        except ProcessLookupError:
            return True
        finally:
            if link is not None:
                link.close()
            reap(pidfd)

    async def _reach(self, session: str, worker: ProcessId) -> WorkerLink | None:
        path = self._places.socket(session)
        try:
            return await WorkerLink.connect(path, worker, lambda _event: None, lambda: None)
        except OSError:
            return None


async def _over(pidfd: int, seconds: float) -> bool:
    """Wait until a process has ended; tell whether it has."""
    with anyio.move_on_after(seconds):
        await anyio.wait_readable(pidfd)
        return True
    return False
