"""How the supervisor itself ends: at once, when the last session has, or when nothing is left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from supervisor.core.decisions import orders, resting
from supervisor.core.decisions.admission import Closing, Open
from supervisor.core.decisions.effects import Effect
from supervisor.core.decisions.selection import Fit, decide, explain
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Kill, Stop, Wish
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import Cooling, Parked
from supervisor.daemon.authority import Authority
from supervisor.daemon.sources.feeds import Sources
from supervisor.daemon.verbs.turn import would_run
from supervisor.world.config.models import Settings
from supervisor.world.config.stopping import KILL, SETTLE


@dataclass(frozen=True, slots=True)
class Serve:
    """Go on until told otherwise."""


@dataclass(frozen=True, slots=True)
class UntilIdle:
    """End when nothing is left to do; what rests without an hour is waited for `patience` seconds (`None`: as it takes)."""

    patience: float | None = None


@dataclass(frozen=True, slots=True)
class WhenEmpty:
    """End when the last session has.

    `rung` grows with each impatient signal, and when `until` (CLOCK_BOOTTIME seconds) has come: drain, stop,
    kill, and in the end give up on what cannot be killed.
    """

    rung: int
    by: str
    until: float | None


Plan = Serve | UntilIdle | WhenEmpty


class Ending:
    """Watches for the moment at which the supervisor may end; `over` is set then.

    `survivors` names in a line each the sessions that could not be ended when it was told to end them.
    """

    def __init__(
        self, authority: Authority, sources: Sources, plan: Plan, settings: Callable[[], Settings]
    ) -> None:
        self._authority = authority
        self._sources = sources
        self.plan = plan
        self._settings = settings
        self.survivors: list[str] = []
        self.over = anyio.Event()
        if isinstance(plan, UntilIdle):
            authority.tables.patience = plan.patience
            resting.try_now(authority.tables, authority.now().wall)
        authority.on_time(self._seconds_left, self._ring)

    def begin(self) -> None:
        """Watch from now on: before the sources are read, everything looks idle."""
        self._authority.after.append(self.look)
        self.look()

    def look(self) -> None:
        """Compare the plan with the tables."""
        match self.plan:
            case Serve():
                pass
            case UntilIdle():
                if self._idle():
                    self.over.set()
            case WhenEmpty():
                if not len(self._authority.tables.roster):
                    self.over.set()

    def leave(self) -> None:
        """End now; the sessions go on without a supervisor."""
        self.over.set()

    def drain(self, by: str) -> None:
        """Start nothing new, and end with the last session."""
        authority, now = self._authority, self._authority.now()
        limit = self._settings().supervisor.drain_timeout
        self.plan = WhenEmpty(1, by, None if limit is None else now.mono + limit)
        authority.do(orders.admit(authority.tables, Closing(by, now.wall), by, now))
        self.look()

    def stop(self, by: str) -> None:
        """Ask every session to end, and end with the last."""
        self.drain(by)
        now = self._authority.now().mono
        graces = [session.budget.grace for session in self._authority.tables.roster]
        self.plan = WhenEmpty(2, by, now + max(graces, default=0.0) + SETTLE)
        self._wish(Stop("shutdown", by, "the supervisor is stopping"))

    def kill(self, by: str) -> None:
        """Kill every session, and end with the last."""
        self.drain(by)
        self.plan = WhenEmpty(3, by, self._authority.now().mono + KILL)
        self._wish(Kill(by, "the supervisor is ending and waits no longer", "shutdown"))

    def climb(self, by: str) -> str:
        """Go one rung up, as each further Ctrl-C does; return what was begun."""
        rung = self.plan.rung if isinstance(self.plan, WhenEmpty) else 0
        if rung == 0:
            self.drain(by)
            return "draining; once more stops the sessions"
        if rung == 1:
            self.stop(by)
            return "stopping the sessions; once more kills them"
        self.kill(by)
        return "killing the sessions"

    def _seconds_left(self, now: Moment) -> float | None:
        if not isinstance(self.plan, WhenEmpty) or self.plan.until is None or self.over.is_set():
            return None
        return max(0.0, self.plan.until - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        plan = self.plan
        if not isinstance(plan, WhenEmpty) or plan.until is None or now.mono < plan.until:
            return []
        if plan.rung < 3:
            self.climb(plan.by)
        else:
            self._give_up()
        return []

    def _give_up(self) -> None:
        """End although sessions are left that cannot be killed; the next supervisor finds them again."""
        self.plan = Serve()
        self.survivors = [
            f"session {session.id} ({session.key}) could not be ended: {_worker(session)}"
            for session in self._authority.tables.roster
        ]
        self.over.set()

    def left_over(self) -> list[str]:
        """Return in one line each what is not done and why, for the end of an idle run."""
        tables, now = self._authority.tables, self._authority.now()
        lines = resting.told_given_up(tables, now.wall)
        for work in sorted(tables.backlog.works(), key=lambda work: tables.backlog.rank(work.task.key)):
            if not tables.backlog.closed(work.task.key):
                found = explain(tables, work, now)
                lines.append(
                    f"{work.task.key}: {would_run(tables, now) if isinstance(found, Fit) else found.sentence}"
                )
        for key, track in tables.backlog.tracks():
            if key not in tables.backlog and isinstance(track.standing, Parked | Cooling):
                lines.append(f"{key}: {track.standing.why}; no source offers it any more")
        return lines

    def _wish(self, wish: Wish) -> None:
        authority = self._authority
        for session in list(authority.tables.roster):
            result = orders.wish(authority.tables, session.id, wish, authority.now())
            if not isinstance(result, orders.NotDone):
                authority.do(result)

    def _idle(self) -> bool:
        """Tell whether nothing runs, nothing may run, and no instant is known at which something may."""
        tables, now = self._authority.tables, self._authority.now()
        if (
            len(tables.roster)
            or self._sources.busy()
            or tables.rereading
            or tables.wait_for_reports
            or tables.slot_requests
            or tables.to_look_after
            or tables.being_graded
            or tables.policy.schedules
            or any(True for _ in tables.backlog.cooling())
        ):
            return False
        if not isinstance(tables.admission, Open) or tables.shortage is not None:
            return True
        decision = decide(tables, now)
        return decision.chosen is None and all(skip.until is None for skip in decision.skipped)


def _worker(session: Session) -> str:
    worker = session.worker()
    return f"worker pid {worker.pid} is {session.state_name}" if worker else f"it is {session.state_name}"
