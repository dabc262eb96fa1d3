"""What workers say of their sessions, and what their records say where they cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import structlog

from supervisor.core.decisions.effects import Note, Recount
from supervisor.core.decisions.entrusting import even_out
from supervisor.core.decisions.holders import OPERATOR, ORPHANS
from supervisor.core.leases.lease import Lease
from supervisor.core.leases.scope import overlaps
from supervisor.core.sessions import lifecycle
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import (
    HarnessPaused,
    HarnessResumed,
    HarnessStarted,
    Paused,
    ProcessId,
    StopBegan,
    TreeLives,
)
from supervisor.daemon.authority import Authority
from supervisor.daemon.places import Places
from supervisor.world.failpoint import failpoint
from supervisor.world.launch import records

log = structlog.get_logger("leasehold")

_UNDER_WAY = {"running", "paused", "stopping"}


class Hearer(Protocol):
    """Who takes news into a session's life, and repeats what is wanted of it."""

    def event(self, session: str, event: lifecycle.Event) -> None:
        """Take news of a session into its life."""

    def repeat_wish(self, session_id: str) -> None:
        """Tell a worker again what is wanted of its session."""


class News:
    """Turns the messages of workers into events.

    `told` has the exit records that workers sent, believed once the worker is gone: its file may be out of
    reach by then. `unreported` are sessions of an earlier supervisor whose worker has not said yet what they hold.
    """

    def __init__(self, authority: Authority, places: Places, hearer: Hearer) -> None:
        self._authority = authority
        self._places = places
        self._hearer = hearer
        self.told: dict[str, ExitRecord] = {}
        self.unreported: set[str] = set()

    def hear(self, session: str, worker: ProcessId, message: Mapping[str, Any]) -> None:
        """Take in one message of a session's worker."""
        try:
            self._hear(session, worker, message)
        except (KeyError, TypeError, ValueError, OverflowError, msgspec.ValidationError) as error:
            log.error("worker.unintelligible", session=session, pid=worker.pid, why=repr(error))

    def read(self, session: str, worker: ProcessId) -> None:
        """Take from its record what a worker does not tell, so that a stop finds somebody to signal."""
        try:
            harness = records.read_harness(self._places.folder(session), worker)
        except records.RecordError as error:
            log.error("worker.unreadable", session=session, why=str(error))
            return
        if harness is not None:
            self._hearer.event(session, HarnessStarted(worker, harness))

    def forget(self, session: str) -> None:
        """Let go of a session that is over."""
        self.told.pop(session, None)
        self.unreported.discard(session)

    def _hear(self, session: str, worker: ProcessId, message: Mapping[str, Any]) -> None:
        tell = self._hearer.event
        match message.get("event"):
            case "hello":
                self._greeted(session, worker, message)
            case "started":
                failpoint("start.told")
                self._confined(session, message)
                tell(session, HarnessStarted(worker, _process(message, worker)))
                failpoint("start.queued")
            case "guard":
                self._guarded(session, message)
            case "paused":
                tell(session, HarnessPaused(str(message.get("by")), str(message.get("why"))))
            case "resumed":
                tell(session, HarnessResumed())
            case "exited":
                self._exited(session, message)
            case "stopping":
                tell(session, StopBegan(str(message.get("cause")), str(message.get("why"))))
            case "unkillable":
                tell(session, TreeLives(_survivors(message)))
            case "ended" if isinstance(message.get("record"), dict):
                self.told[session] = ExitRecord.from_json(message["record"])
            case _:
                pass

    def _greeted(self, session: str, worker: ProcessId, hello: Mapping[str, Any]) -> None:
        self._reported(session, hello.get("leases"))
        state, harness = hello.get("state"), hello.get("harness")
        self._take_clocks(session, hello)
        self._guarded(session, hello.get("guard") or {})
        self._confined(session, hello)
        if state in _UNDER_WAY and isinstance(harness, dict):
            self._hearer.event(session, HarnessStarted(worker, _process(harness, worker)))
        if state == "paused":
            self._hearer.event(session, HarnessPaused(str(hello.get("by")), str(hello.get("why"))))
        if state == "running":
            self._hearer.event(session, HarnessResumed())  # it said so while the line was broken, perhaps
        if state == "stopping":
            self._hearer.event(session, StopBegan(str(hello.get("cause")), str(hello.get("why"))))
        if state in _UNDER_WAY:
            self._hearer.repeat_wish(session)
        if survivors := _survivors(hello.get("record") or {}):
            self._hearer.event(session, TreeLives(survivors))

    def _take_clocks(self, session_id: str, hello: Mapping[str, Any]) -> None:
        """Take over how long a session has stood still so far, and by how much its budget was lengthened."""
        session = self._authority.tables.roster.get(session_id)
        if session is not None:
            paused_for, state = float(hello.get("paused_for") or 0.0), session.life.state
            if isinstance(state, Paused):  # the worker counts this pause too, and we do once it is over
                paused_for -= self._authority.now().mono - state.since.mono
            session.paused_for = paused_for
            if "extended" in hello:
                session.budget = session.intent.budget.extended(float(hello["extended"]))

    def _guarded(self, session_id: str, guard: Mapping[str, Any]) -> None:
        """Take note of the level that a session really runs at; say once when it is not what was meant."""
        session = self._authority.tables.roster.get(session_id)
        level = str(guard.get("level") or "")
        if session is None or not level or level == session.level:
            return
        session.level = level
        data = {"level": level, "why": str(guard.get("why") or "")}
        self._authority.do([Note("session.level", session.id, session.key, data)])

    def _confined(self, session_id: str, message: Mapping[str, Any]) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is not None and message.get("confined") is True:
            session.confined = True

    def _exited(self, session_id: str, message: Mapping[str, Any]) -> None:
        session = self._authority.tables.roster.get(session_id)
        if session is not None:
            data = {"code": message.get("code"), "signal": message.get("signal")}
            self._authority.do([Note("session.exited", session.id, session.key, data)])

    def _reported(self, session: str, shown: object) -> None:
        """Take up again what a worker of an earlier supervisor's session holds; then grants may go on."""
        tables = self._authority.tables
        leases = _leases(session, shown)
        if session not in self.unreported:
            self._bring_up_to_date(session, leases)
            return
        self.unreported.discard(session)
        if leases is not None:  # else its grants never changed, and the journal's are right
            self._hold_again(session, leases)
        self._bring_up_to_date(session, leases)
        failpoint("adopt.reported")
        if session in tables.wait_for_reports:
            tables.wait_for_reports.discard(session)
            if not tables.wait_for_reports:
                self._authority.tick()

    def _bring_up_to_date(self, session: str, known: list[Lease] | None) -> None:
        """Tell a worker what has changed since it was last told; all that it holds if that never was."""
        tables = self._authority.tables
        if known is not None:
            self._authority.do(even_out(tables, session, {lease.token for lease in known}))
        elif session in tables.roster:
            self._authority.do([Recount(session)])

    def _hold_again(self, session: str, leases: list[Lease]) -> None:
        broker, now = self._authority.tables.broker, self._authority.now().mono
        before = broker.held(session)
        broker.release(session, None, now)
        others = {lease.token: lease for lease in broker.in_the_way(session, leases)}.values()
        if all(_nobodys(lease) or _given_back(lease, leases) for lease in others):
            for lease in others:
                broker.release(lease.holder, [lease.scope], now)
        conflict = broker.restore(session, leases)
        if conflict is None:
            return
        # It reported too late: others were granted what it had taken since its start.
        log.error("lease.not_restored", session=session, held_by=conflict.holder)
        broker.restore(session, before)


def _leases(session: str, shown: object) -> list[Lease] | None:
    """Return what a worker says that its session holds; `None` if it does not, or not in words that we know."""
    try:
        return None if shown is None else msgspec.convert(shown, list[Lease])
    except msgspec.ValidationError as error:  # then the journal counts: others must not wait for it for ever
        log.error("worker.unintelligible", session=session, why=repr(error))
        return None


def _nobodys(kept: Lease) -> bool:
    """Tell whether this lease only keeps uncommitted changes that seemed to be nobody's: here is whose they are."""
    return kept.holder == ORPHANS


def _given_back(kept: Lease, leases: list[Lease]) -> bool:
    """Tell whether an operator had given back this lease: the supervisor died before that was on disk.

    Else the newer one of a session over the same scope could not have been granted.
    """
    newer = (lease for lease in leases if lease.token > kept.token)
    return kept.holder == OPERATOR and any(overlaps(lease.scope, kept.scope) for lease in newer)


def _survivors(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"pid {process['pid']} ({process['command']}, state {process['state']}, wchan {process['wchan'] or '?'})"
        for process in record.get("survivors") or ()
    )


def _process(message: Mapping[str, Any], worker: ProcessId) -> ProcessId:
    return ProcessId(int(message["pid"]), int(message["start_ticks"]), worker.boot_id)
