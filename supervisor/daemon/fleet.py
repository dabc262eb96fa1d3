"""The sessions as running things: one task watches each worker from its start to its settling.

Cancelling these tasks detaches from the workers and kills nothing: to end a session is an order, never
a side effect of the supervisor's own end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions import wake
from supervisor.core.decisions.advance import advance
from supervisor.core.decisions.effects import CheckIdle, Entrust, Note, Notify, Probe, Settle, Tell
from supervisor.core.leases.lease import Lease
from supervisor.core.sessions import lifecycle
from supervisor.core.sessions.lifecycle import (
    HarnessPaused,
    HarnessResumed,
    HarnessStarted,
    ProcessId,
    StopBegan,
    WorkerEnded,
    WorkerLost,
)
from supervisor.core.sessions.outcome import ExitRecord
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.settling import Settler
from supervisor.world.failpoint import failpoint
from supervisor.world.git.hooks import HooksError
from supervisor.world.git.run import GitError
from supervisor.world.journal.errors import EntryRefusedError, JournalError
from supervisor.world.journal.ticket import Ticket
from supervisor.world.launch import records
from supervisor.world.launch.launcher import Launcher, LaunchError
from supervisor.world.launch.link import WorkerLink
from supervisor.world.launch.local import reap
from supervisor.world.launch.spec import SessionSpec
from supervisor.world.processes import open_pidfd

log = structlog.get_logger("leasehold")

Prepare = Callable[[Session], Awaitable[SessionSpec]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where sessions live on disk: their folders, which survive a reboot, and their workers' sockets."""

    sessions: Path
    sockets: Path

    def folder(self, session: str) -> Path:
        """Return the folder of a session."""
        return self.sessions / session

    def socket(self, session: str) -> Path:
        """Return the path of its worker's socket."""
        return self.sockets / f"{session}.sock"


class Workers:
    """Starts, watches and speaks to workers. `prepare` makes the spec of a session at its launch."""

    def __init__(
        self,
        authority: Authority,
        group: TaskGroup,
        places: Places,
        prepare: Prepare,
        settler: Settler,
        launcher: Launcher,
    ) -> None:
        self._authority = authority
        self._group = group
        self._places = places
        self._prepare = prepare
        self._settler = settler
        self._launcher = launcher
        self._links: dict[str, WorkerLink] = {}
        self._told: dict[str, ExitRecord] = {}

    def launch(self, session: str, after: Ticket) -> None:
        """Start the session's worker once its intent is durable."""
        self._group.start_soon(self._launch, session, after, name=f"session {session}")

    def adopt(self, session: str, worker: ProcessId, pidfd: int) -> None:
        """Watch a worker that an earlier supervisor started."""
        self._group.start_soon(self._watch, session, worker, pidfd, name=f"session {session}")
        failpoint("adopt.watched")

    def carry(self, effect: Tell | Notify | Entrust | Settle | Probe | CheckIdle) -> None:
        """Carry out one effect on a session."""
        match effect:
            case Tell(session, wish):
                self._tell(session, wish)
            case Notify(session, text):
                self.order(session, "notice", text=text)
            case Entrust(session):
                leases = [msgspec.to_builtins(lease) for lease in self._authority.tables.broker.held(session)]
                self.order(session, "hold", leases=leases)
            case Settle(session):
                self._group.start_soon(self._settle, session, name=f"settle {session}")
            case Probe(session):
                self._group.start_soon(self._probe, session, name=f"probe {session}")
            case CheckIdle(token):
                self._group.start_soon(self._check_idle, token, name=f"idle lease {token}")

    def order(
        self,
        session: str,
        op: str,
        answered: Callable[[Mapping[str, Any]], None] | None = None,
        **fields: Any,
    ) -> bool:
        """Send an order to a session's worker; return False when it cannot be reached."""
        link = self._links.get(session)
        return link is not None and link.order(op, answered, **fields)

    # --- one session, from launch to settling ------------------------------------------------------

    async def _launch(self, session_id: str, after: Ticket) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is None:
            return
        try:
            await after.wait()
            failpoint("launch.intent_durable")
        except JournalError as error:
            cause = "unspawned" if isinstance(error, EntryRefusedError) else "abandoned"
            self._unspawned(session_id, f"its intent could not be recorded: {error}", cause)
            return
        try:
            spec = await self._prepare(session)
            failpoint("launch.prepared")
            started = await self._launcher.start(spec, self._places.folder(session_id))
        except (LaunchError, GitError, HooksError) as error:
            self._unspawned(session_id, str(error), "unlaunched")
            return
        await self._watch(session_id, started.identity, started.pidfd)

    async def _watch(self, session_id: str, worker: ProcessId, pidfd: int) -> None:
        def on_event(message: Mapping[str, Any]) -> None:
            self._on_event(session_id, worker, message)

        link: WorkerLink | None = None
        ended = False
        try:
            try:
                link = await WorkerLink.connect(self._places.socket(session_id), on_event)
                self._links[session_id] = link
                failpoint("launch.connected")
            except OSError as error:
                log.warning("worker.unreachable", session=session_id, pid=worker.pid, why=str(error))
                self._unreachable(session_id, worker)
            await anyio.wait_readable(pidfd)
            ended = True
            failpoint("exit.noticed")
        finally:
            self._links.pop(session_id, None)
            if link is not None:
                link.close()
            if ended:
                reap(pidfd)
                failpoint("exit.reaped")
            else:
                os.close(pidfd)
        await self.finalise(session_id)

    async def finalise(self, session_id: str) -> None:
        """Take in how a session ended whose worker is gone: by its record, or as lost after a sweep."""
        self._authority.tables.wait_for_reports.discard(session_id)  # it will not report any more
        folder = self._places.folder(session_id)
        told = self._told.pop(session_id, None)
        if not folder.exists() and told is None and self._never_ran(session_id):
            why = "the supervisor ended before its worker was started"
            self._event(session_id, WorkerEnded(ExitRecord("abandoned", why=why, by="supervisor")))
            return
        try:
            record = told or records.read_exit(folder)
        except records.RecordError as error:
            failpoint("clear.before")
            cleared = await self._launcher.clear(session_id, folder)
            failpoint("clear.done")
            self._event(session_id, WorkerLost(f"{error}{cleared.told}"))
            return
        left = await self._launcher.tidy(session_id, folder)
        if left.killed or left.survivors:
            log.warning("session.left_over", session=session_id, killed=left.killed, survivors=left.survivors)
        failpoint("exit.read")
        self._event(session_id, WorkerEnded(record))

    def _never_ran(self, session_id: str) -> bool:
        session = self._authority.tables.roster.get(session_id)
        return session is not None and isinstance(session.life.state, lifecycle.Starting)

    async def _settle(self, session_id: str) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is not None:
            failpoint("settle.begun")
            ending = await self._settler.settle(session)
            failpoint("settle.judged")
            self._event(session_id, lifecycle.Settled(ending))
            failpoint("settle.closed")

    # --- news and orders ----------------------------------------------------------------------------

    def _on_event(self, session: str, worker: ProcessId, message: Mapping[str, Any]) -> None:
        match message.get("event"):
            case "hello":
                self._reported(session, message.get("leases"))
                harness = message.get("harness")
                running = message.get("state") in {"running", "paused", "stopping"}
                if running and isinstance(harness, dict):
                    self._event(session, HarnessStarted(worker, _process(harness, worker)))
                self._take_pauses(session, message)
                if message.get("state") == "stopping":
                    self._event(session, StopBegan(str(message.get("cause")), str(message.get("why"))))
            case "started":
                failpoint("start.told")
                self._event(session, HarnessStarted(worker, _process(message, worker)))
                failpoint("start.queued")
            case "paused":
                self._event(session, HarnessPaused(str(message.get("by")), str(message.get("why"))))
            case "resumed":
                self._event(session, HarnessResumed())
            case "exited":
                self._exited(session, message)
            case "stopping":
                self._event(session, StopBegan(str(message.get("cause")), str(message.get("why"))))
            case "ended" if isinstance(message.get("record"), dict):
                # believed once the worker is gone; its file may be out of reach by then
                self._told[session] = ExitRecord.from_json(message["record"])
            case _:
                pass

    def _take_pauses(self, session_id: str, hello: Mapping[str, Any]) -> None:
        """Take over how long a session has stood still so far, and whether it does so now."""
        session = self._authority.tables.roster.get(session_id)
        if session is None:
            return
        session.paused_for = float(hello.get("paused_for") or 0.0)
        if hello.get("state") == "paused":
            self._event(session_id, HarnessPaused(str(hello.get("by")), str(hello.get("why"))))

    def _exited(self, session_id: str, message: Mapping[str, Any]) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is not None:
            data = {"code": message.get("code"), "signal": message.get("signal")}
            self._authority.do([Note("session.exited", session.id, session.key, data)])

    def _unreachable(self, session: str, worker: ProcessId) -> None:
        """Take from its record what a worker cannot tell, so that a stop finds somebody to signal."""
        try:
            harness = records.read_harness(self._places.folder(session), worker)
        except records.RecordError as error:
            log.error("worker.unreadable", session=session, why=str(error))
            return
        if harness is not None:
            self._event(session, HarnessStarted(worker, harness))

    def _reported(self, session: str, shown: object) -> None:
        """Take up again what a worker of an earlier supervisor's session holds; then grants may go on."""
        authority = self._authority
        tables = authority.tables
        if session not in tables.wait_for_reports:
            return
        tables.wait_for_reports.discard(session)
        if shown is not None:  # else its grants never changed, and the journal's are right
            tables.broker.release(session, None, authority.now().mono)
            conflict = tables.broker.restore(session, msgspec.convert(shown, list[Lease]))
            if conflict is not None:
                log.error("lease.not_restored", session=session, held_by=conflict.holder)
        failpoint("adopt.reported")
        if not tables.wait_for_reports:
            authority.tick()

    def _event(self, session: str, event: lifecycle.Event) -> None:
        authority = self._authority
        authority.do(advance(authority.tables, session, event, authority.now()))

    def _unspawned(self, session: str, why: str, cause: str = "unspawned") -> None:
        self._event(session, WorkerEnded(ExitRecord(cause, why=why, by="supervisor")))

    def _tell(self, session_id: str, wish: lifecycle.Stop | lifecycle.Kill) -> None:
        failpoint("order.before")
        if isinstance(wish, lifecycle.Stop):
            sent = self.order(
                session_id, "stop", cause=wish.cause, by=wish.by, why=wish.why, grace=wish.grace
            )
        else:
            sent = self.order(session_id, "kill", cause="kill", by=wish.by, why=wish.why)
        if not sent:
            self._signal_worker(session_id)
        failpoint("order.sent")

    def _signal_worker(self, session_id: str) -> None:
        """Ask a worker that cannot be reached over its socket: TERM begins its stop ladder."""
        session = self._authority.tables.roster.get(session_id)
        worker = session.worker() if session else None
        if worker is None:
            return
        pidfd = open_pidfd(worker)
        if pidfd is not None:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            except ProcessLookupError:
                pass
            finally:
                os.close(pidfd)

    # --- questions ------------------------------------------------------------------------------------

    async def _probe(self, session_id: str) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is None:
            return
        fingerprint = await self._settler.fingerprint(session, self._places.folder(session_id))
        authority = self._authority
        authority.do(wake.probed(authority.tables, session_id, fingerprint, authority.now()))

    async def _check_idle(self, token: int) -> None:
        authority = self._authority
        lease = authority.tables.broker.lease(token)
        if lease is None:
            return
        last = await self._settler.last_write(lease, authority.tables.roster.get(lease.holder))
        authority.do(wake.still_idle(authority.tables, token, last, authority.now()))


def _process(message: Mapping[str, Any], worker: ProcessId) -> ProcessId:
    return ProcessId(int(message["pid"]), int(message["start_ticks"]), worker.boot_id)
