"""Finding out what became of sessions, by the same table at the start, when a worker ends, and when one is silent.

What cannot be proved is looked at again: soon, then ever more slowly, and only while there is such a session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment
from supervisor.core.sessions import reconcile
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import (
    Ended,
    Settling,
    Starting,
    TreeLives,
    WorkerEnded,
    WorkerLost,
)
from supervisor.core.sessions.reconcile import Remains, Row, judge
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Workers
from supervisor.daemon.places import Places
from supervisor.world.failpoint import failpoint
from supervisor.world.launch import records
from supervisor.world.launch.found import Sight, look
from supervisor.world.launch.launcher import Cleared, Launcher, LaunchError
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.tail import last_line
from supervisor.world.processes import open_pidfd
from supervisor.world.stopped import why_stopped

log = structlog.get_logger("leasehold")

SLOWEST = 10.0  # seconds between two looks at a session that stays unknown
START_WITHIN = 10.0  # seconds that a service manager has to start what it was told to start
_AGAIN = 0.05  # seconds before the second look; doubled for each further one


@dataclass(frozen=True, slots=True)
class _Unknown:
    """Why a session is looked at again, when (CLOCK_BOOTTIME), and how often it was."""

    why: str
    at: float
    since: float
    looks: int


class Reconciler:
    """Looks at sessions, judges, and acts. No two looks at one session overlap."""

    def __init__(
        self, authority: Authority, workers: Workers, places: Places, launcher: Launcher, group: TaskGroup
    ) -> None:
        self._authority = authority
        self._workers = workers
        self._places = places
        self._launcher = launcher
        self._group = group
        self._inherited: dict[str, Row] = {}  # sessions of an earlier supervisor, and what its journal says
        self._unknown: dict[str, _Unknown] = {}
        self._busy: set[str] = set()
        self._told: dict[str, tuple[str, ...]] = {}  # troubles with records that were told already
        workers.when_gone = self.look
        authority.on_time(self._seconds_left, self._ring)

    def unknown(self) -> dict[str, str]:
        """Return the sessions whose life or death cannot be proven just now, and why."""
        return {session: unknown.why for session, unknown in self._unknown.items()}

    def silent(self, session_id: str) -> str:
        """Take from its record what a living worker does not tell; return why it is silent, if that can be seen."""
        worker = self._workers.worker(session_id)
        if worker is None:
            return self.unknown().get(session_id, "")
        self._workers.news.read(session_id, worker)
        return why_stopped(worker.pid)

    def inherit(self, session: Session, *, begun: bool) -> None:
        """Take over a session of an earlier supervisor; at once, if its worker lives."""
        self._inherited[session.id] = Row.BEGUN if begun else Row.STARTING
        self._workers.news.unreported.add(session.id)
        sight = self._sight(session)
        failpoint("adopt.found")
        if not isinstance(judge(sight.found), reconcile.Adopt) or not self._adopt(session, sight):
            self.look(session.id)

    def look(self, session_id: str) -> None:
        """Find out now what became of a session without a worker that is watched."""
        if session_id not in self._busy:
            self._busy.add(session_id)
            self._group.start_soon(self._look, session_id, name=f"look at {session_id}")

    async def _look(self, session_id: str) -> None:
        try:
            while (session := self._open(session_id)) is not None and await self._once(session):
                pass
        finally:
            self._busy.discard(session_id)
            self._authority.alarm.look()

    def _open(self, session_id: str) -> Session | None:
        """Return the session while it is still to be found out how it ended."""
        session = self._authority.tables.roster.get(session_id)
        if session is None or isinstance(session.life.state, Settling | Ended):
            self._forget(session_id)
            return None
        return session

    async def _once(self, session: Session) -> bool:
        """Look, judge and act once; tell whether to look again at once."""
        sight = self._sight(session)
        if _depends_on_remains(sight):
            sight = self._sight(session, await self._remains(session))
        self._tell_troubles(session, sight)
        folder = self._places.folder(session.id)
        match judge(sight.found):
            case reconcile.Adopt(why):
                if not self._adopt(session, sight):
                    self._wait(session, why)
            case reconcile.Finalise():
                assert sight.exit is not None  # noqa: S101  - that is what the verdict rests on
                await self._take_in(session, sight.exit)
            case reconcile.Lost(why):
                await self._lose(session, why)
            case reconcile.NeverStarted(why):
                await self._give_back(session, why)
            case reconcile.Withdraw(why):
                if records.withdraw(folder):
                    return True
                self._wait(session, f"{why}; it cannot be taken away")
            case reconcile.Wait(why):
                self._wait(session, why)
            case reconcile.Stray() | reconcile.Nothing():
                raise AssertionError(f"session {session.id} is on the roster, so the journal answers for it")
        return False

    async def _remains(self, session: Session) -> Remains:
        try:
            held = await self._launcher.found()
        except (LaunchError, OSError) as error:
            log.warning("launcher.unseen", session=session.id, why=str(error))
            return Remains.UNKNOWN
        return Remains.PRESENT if session.id in held else Remains.NONE

    def _sight(self, session: Session, remains: Remains = Remains.UNKNOWN) -> Sight:
        row = Row.STARTING if isinstance(session.life.state, Starting) else Row.BEGUN
        unknown = self._unknown.get(session.id)
        folder = self._places.folder(session.id)
        return look(
            folder,
            self._inherited.get(session.id, row) if row is Row.STARTING else row,
            told=self._workers.news.told.get(session.id),
            remains=remains,
            patient=_starts_by_itself(folder)
            and (unknown is None or self._authority.now().mono < unknown.since + START_WITHIN),
        )

    # --- acting -----------------------------------------------------------------------------------------

    def _adopt(self, session: Session, sight: Sight) -> bool:
        """Watch a worker that was proven to live; tell whether it still does."""
        worker = sight.worker
        pidfd = None
        if worker is not None:
            pidfd = self._workers.keeper.kept(session.id, worker.pid) or open_pidfd(worker)
        if worker is None or pidfd is None:
            return False
        self._tell_troubles(session, sight)
        self._unknown.pop(session.id, None)
        self._authority.do([Note("session.adopted", session.id, session.key, {"worker_pid": worker.pid})])
        self._workers.adopt(session.id, worker, pidfd)
        return True

    async def _take_in(self, session: Session, record: ExitRecord) -> None:
        """End a session by its worker's record; what the worker could not kill has to be gone first."""
        # Only the worker itself is believed that its tree is gone, where nothing else holds that together: a record
        # in a file may be anybody's.
        proven = session.id in self._workers.news.told or session.intent.rung not in {"", Rung.SWEEP.value}
        end = self._launcher.tidy if proven and not record.survivors else self._launcher.clear
        if await self._left_over(session, end) is not None:
            failpoint("exit.read")
            self._over(session, WorkerEnded(record))

    async def _lose(self, session: Session, why: str) -> None:
        """End a session whose worker died without a record, once its tree is proven to be gone."""
        failpoint("clear.before")
        left = await self._left_over(session, self._launcher.clear)
        failpoint("clear.done")
        if left is not None:
            self._over(session, WorkerLost(f"{why}{left.told}"))

    async def _give_back(self, session: Session, why: str) -> None:
        if await self._left_over(session, self._launcher.tidy) is None:
            return
        # What an earlier supervisor did not get to is nobody's failure; a worker of ours that died is one.
        inherited = session.id in self._inherited
        if not inherited and (last := last_line(self._places.folder(session.id) / "worker.log")):
            why = f"{why}: {last}"
        record = ExitRecord("abandoned" if inherited else "unspawned", why=why, by="supervisor")
        self._over(session, WorkerEnded(record))

    async def _left_over(
        self, session: Session, end: Callable[[str, Path], Awaitable[Cleared]]
    ) -> Cleared | None:
        """End what is left of a session and say what was done; `None` while something of it still lives."""
        self._authority.tables.wait_for_reports.discard(session.id)  # it will not report any more
        try:
            left = await end(session.id, self._places.folder(session.id))
        except (LaunchError, OSError) as error:
            self._wait(session, f"what is left of it cannot be ended: {error}")
            return None
        if not left.survivors:
            return left
        self._workers.event(session.id, TreeLives(left.survivors))
        self._wait(session, f"could not be killed: {', '.join(left.survivors)}")
        return None

    def _over(self, session: Session, event: WorkerEnded | WorkerLost) -> None:
        self._forget(session.id)
        self._workers.event(session.id, event)

    # --- what stays unknown -------------------------------------------------------------------------------

    def _wait(self, session: Session, why: str) -> None:
        now = self._authority.now().mono
        before = self._unknown.get(session.id) or _Unknown("", now, now, 0)
        if why != before.why:
            log.warning("session.unknown", session=session.id, why=why)
        pause = min(SLOWEST, _AGAIN * 2**before.looks)
        self._unknown[session.id] = replace(before, why=why, at=now + pause, looks=before.looks + 1)

    def _forget(self, session_id: str) -> None:
        self._authority.tables.wait_for_reports.discard(session_id)
        self._workers.news.forget(session_id)
        for memory in (self._inherited, self._unknown, self._told):
            memory.pop(session_id, None)

    def _seconds_left(self, now: Moment) -> float | None:
        waiting = [unknown.at for session, unknown in self._unknown.items() if session not in self._busy]
        return max(0.0, min(waiting) - now.mono) if waiting else None

    def _ring(self, now: Moment) -> list[Effect]:
        for session, unknown in list(self._unknown.items()):
            if unknown.at <= now.mono:
                self.look(session)
        return []

    def _tell_troubles(self, session: Session, sight: Sight) -> None:
        fresh = [trouble for trouble in sight.troubles if trouble not in self._told.get(session.id, ())]
        self._told[session.id] = sight.troubles
        for trouble in fresh:
            log.error("record.unusable", session=session.id, why=trouble)


def _depends_on_remains(sight: Sight) -> bool:
    return judge(replace(sight.found, remains=Remains.NONE)) != judge(sight.found)


def _starts_by_itself(folder: Path) -> bool:
    """Tell whether a service manager starts the worker, at its own time: others hand a lock down that says so."""
    try:
        return records.read_rung(folder) in {Rung.SYSTEM_UNITS, Rung.USER_UNITS}
    except records.RecordError:
        return False
