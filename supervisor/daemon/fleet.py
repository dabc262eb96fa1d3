"""The sessions as running things: one task watches each worker from its start to its settling.

Cancelling these tasks detaches from the workers and kills nothing: to end a session is an order, never
a side effect of the supervisor's own end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions import wake
from supervisor.core.decisions.advance import advance
from supervisor.core.decisions.effects import (
    CheckIdle,
    Disown,
    Entrust,
    Notify,
    Order,
    Probe,
    Recount,
    Settle,
    TakeBack,
    Tell,
)
from supervisor.core.sessions import lifecycle
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import ProcessId, WorkerEnded
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.said import spoken
from supervisor.daemon.authority import Authority
from supervisor.daemon.companions import HearsNothing, Keeper, KeepsNothing, Listens
from supervisor.daemon.lease_orders import LeaseOrders
from supervisor.daemon.news import News
from supervisor.daemon.places import Places
from supervisor.daemon.settling import Settler
from supervisor.world.failpoint import failpoint
from supervisor.world.git.hooks import HooksError
from supervisor.world.git.run import GitError
from supervisor.world.journal.errors import EntryRefusedError, JournalError
from supervisor.world.journal.ticket import Ticket
from supervisor.world.launch.launcher import Launcher, LaunchError
from supervisor.world.launch.link import WorkerLink
from supervisor.world.launch.local import reap
from supervisor.world.launch.secrets import forget_secrets
from supervisor.world.launch.spec import SessionSpec
from supervisor.world.processes import open_pidfd
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

# Seconds before the first attempt to reach a worker again; doubled for each further one.
_CONTACT_AGAIN = 0.25
_CONTACT_SLOWEST = 10.0
_LAST_WORDS = 0.5  # seconds; they are in the socket, and its end follows at once

_UNDER_WAY = 0.02  # seconds in which a call that was let pass reaches its file

Prepare = Callable[[Session], Awaitable[SessionSpec]]


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
        self._unreachable: set[str] = set()
        self._watched: dict[str, ProcessId] = {}
        self._leases = LeaseOrders(authority, self)
        self.news = News(authority, places, self)
        self.when_gone: Callable[[str], None] = lambda _session: None  # set by what finds out how it ended
        self.keeper: Keeper = KeepsNothing()
        self.listener: Listens = HearsNothing()

    def listen(self, listener: Listens) -> None:
        """Have harnesses heard; the worker of one that told its result knows then that it ought to leave."""
        self.listener = listener
        listener.ought_to_leave = lambda session: self.order(session, "finished")

    def launch(self, session: str, after: Ticket) -> None:
        """Start the session's worker once its intent is durable."""
        self._group.start_soon(self._launch, session, after, name=f"session {session}")

    def adopt(self, session: str, worker: ProcessId, pidfd: int) -> None:
        """Watch a worker that an earlier supervisor started; once, however often it is found."""
        if session in self._watched:
            os.close(pidfd)
            return
        self._watched[session] = worker
        self._group.start_soon(self._watch, session, worker, pidfd, name=f"session {session}")
        failpoint("adopt.watched")

    def carry(self, effect: Order) -> None:
        """Carry out one effect on a session."""
        match effect:
            case Tell(session, wish):
                self._tell(session, wish)
            case Notify(session, text):
                self.order(session, "notice", text=text)
            case Entrust() | Disown() | Recount():
                self._leases.carry(effect)
            case Settle(session):
                self._group.start_soon(self._settle, session, name=f"settle {session}")
            case Probe(session):
                self._group.start_soon(self._probe, session, name=f"probe {session}")
            case CheckIdle(token):
                self._group.start_soon(self._check_idle, token, name=f"idle lease {token}")
            case TakeBack(session, token):
                self._group.start_soon(self._take_back, session, token, name=f"take back {token}")

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

    def worker(self, session: str) -> ProcessId | None:
        """Return the worker that is watched for a session."""
        return self._watched.get(session)

    def look_again(self, session: str) -> None:
        """See what is left of a session, unless its worker lives and will tell."""
        if session not in self._watched:
            self.when_gone(session)

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
        except (LaunchError, GitError, HooksError, OSError) as error:
            self._unspawned(session_id, str(error), "unlaunched")
            return
        await self._watch(session_id, started.identity, started.pidfd)

    async def _watch(self, session_id: str, worker: ProcessId, pidfd: int) -> None:
        """Stay in contact with a worker until it has ended."""
        ended = False
        self._watched[session_id] = worker
        self.keeper.keep(session_id, pidfd)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_contact, session_id, worker)
                await anyio.wait_readable(pidfd)
                ended = True
                failpoint("exit.noticed")
                await self._hear_out(session_id)
                group.cancel_scope.cancel()
        finally:
            self._watched.pop(session_id, None)
            if ended:
                self.keeper.forget(session_id)
                reap(pidfd)
                failpoint("exit.reaped")
            else:
                os.close(pidfd)
        self.when_gone(session_id)

    async def _hear_out(self, session_id: str) -> None:
        """Take in the last words of a worker that has ended: its record among them, which is believed."""
        link = self._links.get(session_id)
        if link is not None:
            with anyio.move_on_after(_LAST_WORDS):
                await link.heard_out()

    async def _keep_contact(self, session_id: str, worker: ProcessId) -> None:
        """Connect to a worker, and again whenever the line is lost, for ever."""
        attempt = 0
        while True:
            lost = anyio.Event()
            try:
                link = await WorkerLink.connect(
                    self._places.socket(session_id),
                    worker,
                    lambda message: self._hear(session_id, worker, message),
                    lost.set,
                )
            except OSError as error:
                if session_id not in self._unreachable:
                    log.warning("worker.unreachable", session=session_id, pid=worker.pid, why=str(error))
                    self._unreachable.add(session_id)
                    self.news.read(session_id, worker)
                    self.repeat_wish(session_id)
            else:
                self._links[session_id] = link
                self._unreachable.discard(session_id)
                failpoint("launch.connected")
                try:
                    await lost.wait()
                finally:
                    self._links.pop(session_id, None)
                    self._leases.lost(session_id)
                    self._unreachable.discard(session_id)
                    link.close()
            # A worker that ends hangs up first, and is noticed otherwise; so this is no hurry.
            attempt += 1
            await anyio.sleep(min(_CONTACT_SLOWEST, _CONTACT_AGAIN * 2**attempt))

    def _hear(self, session_id: str, worker: ProcessId, message: Mapping[str, Any]) -> None:
        if message.get("event") == "hello":
            self._leases.greeted(session_id)
        self.news.hear(session_id, worker, message)

    async def _settle(self, session_id: str) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is not None:
            failpoint("settle.begun")
            told = await self.listener.finish(session_id)
            ending = spoken(await self._settler.settle(session, told), session.said)
            ending = ending.masked(self.listener.masks(session))  # command lines of leaked processes, for one
            failpoint("settle.judged")
            try:
                await in_thread(forget_secrets, self._places.folder(session_id))
            except OSError as error:
                log.warning("session.secrets_kept", session=session_id, why=str(error))
            self.event(session_id, lifecycle.Settled(ending))
            failpoint("settle.closed")

    # --- news and orders ----------------------------------------------------------------------------

    def event(self, session: str, event: lifecycle.Event) -> None:
        """Take news of a session into its life."""
        self._authority.do(advance(self._authority.tables, session, event, self._authority.now()))
        if isinstance(event, lifecycle.HarnessStarted):
            self.listener.begin(session)

    def _unspawned(self, session: str, why: str, cause: str = "unspawned") -> None:
        self.event(session, WorkerEnded(ExitRecord(cause, why=why, by="supervisor")))

    def _tell(self, session_id: str, wish: lifecycle.Stop | lifecycle.Kill) -> None:
        failpoint("order.before")
        if isinstance(wish, lifecycle.Stop):
            sent = self.order(
                session_id, "stop", cause=wish.cause, by=wish.by, why=wish.why, grace=wish.grace
            )
        else:
            sent = self.order(session_id, "kill", cause=wish.cause, by=wish.by, why=wish.why)
        if not sent and session_id in self._unreachable:  # else it is told as soon as it can be reached
            self._signal_worker(session_id)
        failpoint("order.sent")

    def repeat_wish(self, session_id: str) -> None:
        """Tell a worker again what is wanted: it may have been asked of a supervisor that did not pass it on."""
        session = self._authority.tables.roster.get(session_id)
        if session is not None and not isinstance(session.life.wish, lifecycle.Run):
            self._tell(session_id, session.life.wish)

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
        await self.listener.catch_up(session_id)
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

    async def _take_back(self, session_id: str, token: int) -> None:
        still_open = await self.revoke(session_id, (token,))
        authority, tables, now = self._authority, self._authority.tables, self._authority.now()
        if still_open is None:
            wake.not_taken_back(tables, token, now)
        else:
            authority.do(wake.taken_back(tables, token, still_open=token in still_open, now=now))

    async def revoke(self, session_id: str, tokens: Collection[int]) -> frozenset[int] | None:
        """Make a session's guard forget leases; return those below which something is open for writing.

        The guard is asked first: what it lets pass from then on is asked for again. Then a moment for calls that
        it let pass just before, and then the look. A guard that does not answer keeps its leases; with `None` it could
        not be asked, and nothing has changed.
        """
        forgotten = await self._leases.forgotten(session_id, tokens)
        if not forgotten:
            return None if forgotten is None else frozenset(tokens)
        await anyio.sleep(_UNDER_WAY)
        tables = self._authority.tables
        found = [lease for token in tokens if (lease := tables.broker.lease(token)) is not None]
        return await self._settler.still_open(found, tables.roster.get(session_id))
