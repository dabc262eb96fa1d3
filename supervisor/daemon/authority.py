"""The authority: the tables, and the one place where what the core decided is handed to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from supervisor.core.decisions import wake
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import (
    Effect,
    Launch,
    Note,
    Order,
    Reread,
    SaveSession,
    SaveTask,
    Wake,
)
from supervisor.core.decisions.entrusting import raised
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Woken
from supervisor.core.moment import Moment
from supervisor.daemon.alarm import Alarm
from supervisor.daemon.first_writes import FirstWrites
from supervisor.daemon.promises import Promises
from supervisor.daemon.recorder import Recorder
from supervisor.world import clock
from supervisor.world.failpoint import failpoint
from supervisor.world.journal.ticket import Ticket


class Fleet(Protocol):
    """What acts on sessions: starts workers, passes orders, settles."""

    def launch(self, session: str, after: Ticket) -> None:
        """Start the session's worker once what was recorded before is durable."""

    def carry(self, effect: Order) -> None:
        """Carry out one effect on a session."""


class Feeds(Protocol):
    """What reads task sources."""

    def reread(self, sources: frozenset[str]) -> None:
        """Read these sources again."""


class Authority:
    """Tables and the way out of them. Every change goes: decide in the core, then `do` its effects."""

    def __init__(self, tables: Tables, recorder: Recorder, now: Callable[[], Moment] = clock.now) -> None:
        self.tables = tables
        self.recorder = recorder
        self.now = now
        self.promises = Promises()
        self.alarm = Alarm(self._seconds_left, self.tick)
        self.after: list[Callable[[], None]] = []
        self.first_writes = FirstWrites(self.tell)
        self._looking = False
        self._fleet: Fleet | None = None
        self._feeds: Feeds | None = None
        self._clock_sources: list[Callable[[Moment], float | None]] = []
        self._ringers: list[Callable[[Moment], list[Effect]]] = []

    def attach(self, fleet: Fleet, feeds: Feeds) -> None:
        """Connect what carries effects out; done once, by the composition root."""
        self._fleet, self._feeds = fleet, feeds

    def on_time(
        self, seconds_left: Callable[[Moment], float | None], ring: Callable[[Moment], list[Effect]]
    ) -> None:
        """Let something else have instants too: schedules, sources with an interval."""
        self._clock_sources.append(seconds_left)
        self._ringers.append(ring)

    def do(self, effects: Iterable[Effect]) -> None:
        """Carry out what the core decided. Synchronous: when it returns, the tables are true again."""
        assert self._fleet is not None  # noqa: S101  - attached by the composition root before anything happens
        assert self._feeds is not None  # noqa: S101
        now = self.now()
        # Events keep their order.
        todo: list[Effect] = [*self.first_writes.notes(), *effects, *raised(self.tables)]
        records: list[Note | SaveSession | SaveTask] = [
            effect for effect in todo if isinstance(effect, Note | SaveSession | SaveTask)
        ]
        launches = any(isinstance(effect, Launch) for effect in todo)
        if launches:
            failpoint("assign.chosen")
        ticket = self.recorder.record(records, now) if records else None
        if launches:
            failpoint("assign.queued")
        changed = dict.fromkeys(effect.session for effect in records if isinstance(effect, SaveSession))
        for effect in todo:
            match effect:
                case Launch(session):
                    assert ticket is not None  # noqa: S101  - an intent is always recorded with its launch
                    self._fleet.launch(session, ticket)
                case Wake(result):
                    if not self.promises.decided(result) and isinstance(result, Woken):
                        self._give_back(result, now)
                case Reread(sources):
                    self._feeds.reread(sources)
                case Note() | SaveSession() | SaveTask():
                    pass
                case _:
                    self._fleet.carry(effect)
        for changed_id in changed:
            changed_session = self.tables.roster.find(changed_id)
            if changed_session is not None:
                self.promises.session_changed(changed_session)
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def tell(self) -> None:
        """Record now what was granted to first writes."""
        self.do(())

    def _look(self) -> None:
        """See what follows from all changes of this turn of the loop: the next instant, the end."""
        self._looking = False
        self.alarm.look()
        for look in tuple(self.after):
            look()

    def tick(self) -> None:
        """Do what is due now."""
        now = self.now()
        effects = [effect for ring in self._ringers for effect in ring(now)]
        self.do([*effects, *wake.tick(self.tables, now)])

    def _seconds_left(self) -> float | None:
        now = self.now()
        known = [wake.next_wake(self.tables, now), *(left(now) for left in self._clock_sources)]
        times = [seconds for seconds in known if seconds is not None]
        return min(times) if times else None

    def _give_back(self, result: Woken, now: Moment) -> None:
        """Return leases whose asker is gone: they were granted to nobody."""
        scopes = [lease.scope for lease in result.fresh]
        woken = [Wake(again) for again in self.tables.broker.release(result.holder, scopes, now.mono)]
        self.do([*woken, *fill(self.tables, now)])
