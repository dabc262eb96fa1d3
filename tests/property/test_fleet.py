"""The supervisor's decisions over workers that die, report late, twice or not at all, and over its own deaths.

The world below knows the truth: which trees live, what is on disk. The supervisor knows what it was told.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from supervisor.core.decisions import advance, orders, requests
from supervisor.core.decisions.effects import Effect, Launch, SaveSession, SaveTask, Settle, Tell
from supervisor.core.decisions.policy import Preempt
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Lease, Mode, Want
from supervisor.core.leases.scope import overlaps, parse_scopes
from supervisor.core.moment import Moment
from supervisor.core.sessions import reconcile
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import (
    Ended,
    Event,
    HarnessPaused,
    HarnessResumed,
    HarnessStarted,
    Kill,
    Life,
    ProcessId,
    Settled,
    Settling,
    Starting,
    Stop,
    StopBegan,
    TreeLives,
    WorkerEnded,
    WorkerLost,
)
from supervisor.core.sessions.outcome import judge, judge_lost
from supervisor.core.sessions.reconcile import Exit, Found, Lock, Row, Spec
from supervisor.core.sessions.reconcile import Remains as Left
from supervisor.core.sessions.reconcile import Worker as Recorded
from supervisor.core.sessions.remains import Landed, Remains
from supervisor.core.sessions.roster import Intent, Session
from supervisor.core.tasks.backlog import Backlog
from supervisor.core.tasks.standing import Assigned, Done, Track
from tests.conftest import BUDGET, POLICY, START, House, make_house, work

BACKLOG = (
    work("a", "shared/x.txt"),
    work("b", "shared/"),
    work("c", "shared/*.txt", priority=2),
    work("d", "d.txt"),
    work("e", "e/", "d.txt", priority=1),
    work("f", resources=("resource:port",)),
)
FAST = replace(
    POLICY,
    max_sessions=3,
    retry=replace(POLICY.retry, attempts=50, base=5.0, cap=20.0),
    intensity=replace(POLICY.intensity, limit=1000),
    selection=replace(POLICY.selection, preempt=Preempt.NOW, min_runtime=0.0),
)


class Process(enum.Enum):
    """Where a fake worker is."""

    ABSENT = "not started"
    LIVES = "its harness runs"
    HALTED = "its harness is halted"
    LEFT = "it ended and wrote its record"
    KILLED = "it was killed, and its tree may go on"


@dataclass
class Fake:
    """One session's folder, worker and tree, as they are."""

    intent: Intent
    process: Process = Process.ABSENT
    folder: bool = False
    withdrawn: bool = False
    tree: bool = False
    record: ExitRecord | None = None
    held: tuple[Lease, ...] = ()
    used: float = 0.0  # seconds of its budget
    starts: int = 0

    @property
    def who(self) -> ProcessId:
        """Its identity."""
        return ProcessId(1000 + int(self.intent.session[1:]), 1, "boot")

    def leave(self, record: ExitRecord) -> None:
        """End by itself, tree and all."""
        self.process, self.tree, self.record = Process.LEFT, False, record


@dataclass
class World:
    """What outlives the supervisor: the journal, and every worker there ever was."""

    rows: dict[str, tuple[Intent, str, bool]] = field(default_factory=dict)  # intent, state, over
    tracks: dict[str, Track] = field(default_factory=dict)
    fakes: dict[str, Fake] = field(default_factory=dict)
    now: Moment = START
    minted: int = 0
    ceiling: int = 0


class Fleet(RuleBasedStateMachine):
    """One supervisor after the other over the same world."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ends: dict[str, int] = {}
        self.house = self._house()
        self.house.fill()
        self._absorb()

    # --- the supervisor -----------------------------------------------------------------------------

    def _house(self) -> House:
        house = make_house(FAST)
        house.now = self.world.now
        house.tables.backlog = Backlog(["md"], dict(self.world.tracks))
        house.tables.mint = self._mint
        tokens = Tokens(self.world.ceiling)
        self.world.ceiling += 100_000
        tokens.reserve(self.world.ceiling)
        house.tables.broker = Broker(tokens)
        self.unsaved: list[Effect] = []
        self.launches: list[str] = []
        self.settling: list[str] = []
        self.told: list[Tell] = []
        self.seen = 0
        house.offer(*BACKLOG)
        return house

    def _mint(self) -> tuple[str, str]:
        self.world.minted += 1
        return f"s{self.world.minted}", f"secret-{self.world.minted}"

    def _absorb(self) -> None:
        """Sort what the core asked for."""
        fresh, self.seen = self.house.effects[self.seen :], len(self.house.effects)
        for effect in fresh:
            match effect:
                case SaveSession() | SaveTask():
                    self.unsaved.append(effect)
                case Launch(session):
                    self.launches.append(session)
                case Settle(session):
                    self.settling.append(session)
                case Tell():
                    self.told.append(effect)
                case _:
                    pass

    def _do(self, effects: Iterable[Effect]) -> None:
        self.house.take(effects)
        self._absorb()

    def _news(self, session: str, event: Event) -> None:
        self._do(advance.advance(self.house.tables, session, event, self.house.now))

    def _flush(self) -> None:
        """Commit what waits for the journal."""
        for effect in self.unsaved:
            if isinstance(effect, SaveSession):
                session = self.house.tables.roster.find(effect.session)
                assert session is not None
                over = isinstance(session.life.state, Ended)
                if over and not self.world.rows[session.id][2]:
                    self.ends[session.id] = self.ends.get(session.id, 0) + 1
                self.world.rows[session.id] = (session.intent, session.state_name, over)
            elif isinstance(effect, SaveTask):
                self.world.tracks[effect.key] = self.house.tables.backlog.track(effect.key)
        self.unsaved = []

    def _start_what_is_durable(self) -> None:
        self._flush()
        for name in self.launches:
            session = self.house.tables.roster.get(name)
            if session is not None:
                self.world.fakes[name] = Fake(session.intent, folder=True, held=session.intent.leases)
        self.launches = []

    def _living(self, *processes: Process) -> list[Fake]:
        return [fake for fake in self.world.fakes.values() if fake.process in processes]

    # --- what the world does --------------------------------------------------------------------------

    @rule()
    def the_journal_is_written_and_folders_are_made(self) -> None:
        self._start_what_is_durable()

    @rule(data=st.data())
    @precondition(lambda self: any(f.folder and not f.withdrawn for f in self._living(Process.ABSENT)))
    def a_worker_begins(self, data: st.DataObject) -> None:
        waiting = [f for f in self._living(Process.ABSENT) if f.folder and not f.withdrawn]
        fake = data.draw(st.sampled_from(waiting))
        fake.process, fake.tree = Process.LIVES, True
        fake.starts += 1

    @rule()
    def every_start_goes_well(self) -> None:
        self._start_what_is_durable()
        for fake in self._living(Process.ABSENT):
            if fake.folder and not fake.withdrawn:
                fake.process, fake.tree = Process.LIVES, True
                fake.starts += 1
                self._report(fake)
                self._news(fake.intent.session, HarnessStarted(fake.who, fake.who))

    @rule(data=st.data())
    @precondition(lambda self: self._living(Process.LIVES, Process.HALTED))
    def a_worker_reports_that_it_runs(self, data: st.DataObject) -> None:
        fake = data.draw(st.sampled_from(self._living(Process.LIVES, Process.HALTED)))
        self._report(fake)
        self._news(fake.intent.session, HarnessStarted(fake.who, fake.who))

    @rule(data=st.data(), code=st.sampled_from([0, 0, 0, 1, 75]))
    @precondition(lambda self: self._living(Process.LIVES))
    def a_harness_leaves(self, data: st.DataObject, code: int) -> None:
        fake = data.draw(st.sampled_from(self._living(Process.LIVES)))
        fake.leave(ExitRecord("exited", code=code, ended_at=self.world.now.wall))

    @rule(data=st.data(), tree_goes_on=st.booleans())
    @precondition(lambda self: self._living(Process.LIVES, Process.HALTED))
    def a_worker_is_killed(self, data: st.DataObject, tree_goes_on: bool) -> None:  # noqa: FBT001
        fake = data.draw(st.sampled_from(self._living(Process.LIVES, Process.HALTED)))
        fake.process, fake.tree = Process.KILLED, tree_goes_on

    @rule(data=st.data())
    @precondition(lambda self: self._living(Process.LIVES))
    def a_session_is_paused(self, data: st.DataObject) -> None:
        fake = data.draw(st.sampled_from(self._living(Process.LIVES)))
        fake.process = Process.HALTED
        self._news(fake.intent.session, HarnessPaused("operator", "to look"))

    @rule(data=st.data())
    @precondition(lambda self: self._living(Process.HALTED))
    def a_session_is_resumed(self, data: st.DataObject) -> None:
        fake = data.draw(st.sampled_from(self._living(Process.HALTED)))
        fake.process = Process.LIVES
        self._news(fake.intent.session, HarnessResumed())

    @rule(seconds=st.sampled_from([0.5, 6.0, 6.0, 30.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now = self.world.now.later(seconds)
        for fake in self._living(Process.LIVES):
            fake.used += seconds
            if fake.used >= BUDGET.wall:  # the worker sees to it, with or without a supervisor
                fake.used = BUDGET.wall
                fake.leave(ExitRecord("budget", signal=15, ended_at=self.world.now.wall))
        self.house.pass_time(seconds)
        self._absorb()

    # --- what the supervisor is told ------------------------------------------------------------------

    @rule(data=st.data())
    @precondition(lambda self: len(self.house.tables.roster) > 0)
    def it_looks_at_a_session(self, data: st.DataObject) -> None:
        """As when a worker falls silent or ends: gather the facts, judge, act."""
        session = data.draw(st.sampled_from(list(self.house.tables.roster)))
        if session.id in self.launches or session.id in {
            e.session for e in self.unsaved if isinstance(e, SaveSession)
        }:
            return  # its own start is under way here
        self._reconcile(session)

    @rule(data=st.data())
    @precondition(lambda self: self.settling)
    def a_session_is_settled(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.settling))
        self.settling.remove(name)
        session = self.house.tables.roster.get(name)
        if session is None or not isinstance(session.life.state, Settling):
            return
        found = session.life.state.found
        commits = (Landed("c" * 40, "subject", self.world.now.wall),) if name in self.world.fakes else ()
        remains = Remains(commits)
        ending = (
            judge(found, remains, session.expects())
            if isinstance(found, ExitRecord)
            else judge_lost(found, remains)
        )
        self._news(name, Settled(ending))

    @rule(
        data=st.data(),
        event=st.sampled_from(
            [
                HarnessStarted(ProcessId(1, 1), ProcessId(2, 1)),
                HarnessResumed(),
                StopBegan("stop", "late"),
                Settled(judge_lost("late news", Remains())),
                TreeLives(("pid 1",)),
                WorkerLost("late news"),
            ]
        ),
    )
    @precondition(lambda self: any(over for _, _, over in self.world.rows.values()))
    def news_comes_too_late(self, data: st.DataObject, event: Event) -> None:
        over = sorted(name for name, (_, _, over) in self.world.rows.items() if over)
        before = len(self.house.effects)
        self._news(data.draw(st.sampled_from(over)), event)
        assert len(self.house.effects) == before

    @rule(data=st.data(), kill=st.booleans())
    @precondition(lambda self: len(self.house.tables.roster) > 0)
    def an_operator_ends_a_session(self, data: st.DataObject, kill: bool) -> None:  # noqa: FBT001
        session = data.draw(st.sampled_from(list(self.house.tables.roster)))
        wish = Kill("operator", "enough") if kill else Stop("stop", "operator", "enough")
        result = orders.wish(self.house.tables, session.id, wish, self.house.now)
        if not isinstance(result, orders.NotDone):
            self._do(result)

    @rule()
    @precondition(lambda self: self.told)
    def a_worker_hears_an_order(self) -> None:
        order = self.told.pop(0)
        fake = self.world.fakes.get(order.session)
        if fake is not None and fake.process in {Process.LIVES, Process.HALTED}:
            cause = order.wish.cause if isinstance(order.wish, Stop) else "kill"
            self._news(order.session, StopBegan(cause, order.wish.why))
            fake.leave(ExitRecord(cause, signal=15, by=order.wish.by, ended_at=self.world.now.wall))

    @rule(key=st.sampled_from("abcdef"), priority=st.integers(-3, 3))
    def an_operator_ranks_anew(self, key: str, priority: int) -> None:
        result = orders.set_priority(self.house.tables, key, priority, "operator", self.house.now)
        assert not isinstance(result, orders.NotDone)
        self._do(result)
        self._do(orders.reprioritize(self.house.tables, "operator", self.house.now))

    @rule(key=st.sampled_from("abcdef"))
    def an_operator_gives_a_task_another_try(self, key: str) -> None:
        for give in (orders.release, orders.retry):
            result = give(self.house.tables, key, "operator", self.house.now)
            if not isinstance(result, orders.NotDone):
                self._do(result)

    @rule(data=st.data(), text=st.sampled_from(["d.txt", "shared/x.txt", "g.txt", "e/"]))
    @precondition(lambda self: len(self.house.tables.roster) > 0)
    def a_session_asks_for_more(self, data: st.DataObject, text: str) -> None:
        session = data.draw(st.sampled_from(list(self.house.tables.roster)))
        fake = self.world.fakes.get(session.id)
        if fake is None or fake.process is not Process.LIVES:
            return
        wants = tuple(Want(scope, Mode.EXCLUSIVE) for scope in parse_scopes(text, "repo"))
        _, effects = requests.acquire(self.house.tables, session.id, wants, 0.0, self.house.now)
        self._do(effects)
        fake.held = tuple(self.house.tables.broker.held(session.id))

    # --- its own death --------------------------------------------------------------------------------

    @rule(written=st.booleans())
    def the_supervisor_dies_and_another_starts(self, written: bool) -> None:  # noqa: FBT001
        if written:
            self._flush()
        self.house = self._house()
        tables = self.house.tables
        for name, (intent, _, over) in self.world.rows.items():
            if over:
                continue
            tables.roster.add(Session(intent, Life(Starting(self.house.now)), intent.budget))
            assert tables.broker.restore(name, intent.leases) is None
            tables.backlog.put(intent.task.key, tables.backlog.track(intent.task.key).moved(Assigned(name)))
            tables.wait_for_reports.add(name)
        if not tables.wait_for_reports:
            self._do(self.house_fill())

    def house_fill(self) -> list[Effect]:
        """Fill free slots, as when the supervisor ticks."""
        from supervisor.core.decisions.assign import fill

        return fill(self.house.tables, self.house.now)

    def _report(self, fake: Fake) -> None:
        tables, name = self.house.tables, fake.intent.session
        if name in tables.wait_for_reports:
            tables.wait_for_reports.discard(name)
            tables.broker.release(name, None, self.house.now.mono)
            assert tables.broker.restore(name, fake.held) is None
            self._do(self.house_fill())

    def _reconcile(self, session: Session) -> None:
        fake = self.world.fakes.get(session.id)
        verdict = reconcile.judge(self._found(session, fake))
        name = session.id
        match verdict:
            case reconcile.Adopt():
                assert fake is not None
                self._report(fake)
                self._news(name, HarnessStarted(fake.who, fake.who))
                if fake.process is Process.HALTED:
                    self._news(name, HarnessPaused("operator", "to look"))
            case reconcile.Finalise():
                assert fake is not None
                assert fake.record is not None
                self._gone(name)
                self._news(name, WorkerEnded(fake.record))
            case reconcile.Lost(why):
                if fake is not None:
                    fake.tree = False  # cleared before anything is said
                self._gone(name)
                self._news(name, WorkerLost(why))
            case reconcile.NeverStarted(why):
                self._gone(name)
                self._news(name, WorkerEnded(ExitRecord("abandoned", why=why, by="supervisor")))
            case reconcile.Withdraw():
                assert fake is not None
                fake.withdrawn = True
            case reconcile.Wait() | reconcile.Stray() | reconcile.Nothing():
                pass

    def _gone(self, session: str) -> None:
        waiting = self.house.tables.wait_for_reports
        if session in waiting:
            waiting.discard(session)
            if not waiting:
                self._do(self.house_fill())

    def _found(self, session: Session, fake: Fake | None) -> Found:
        known = self.world.rows.get(session.id)
        row = Row.STARTING if known is None or known[1] == "starting" else Row.BEGUN
        if fake is None:
            return Found(row, Spec.ABSENT, Lock.ABSENT, Recorded.MISSING, Exit.MISSING, Left.NONE)
        lives = fake.process in {Process.LIVES, Process.HALTED}
        began = fake.process is not Process.ABSENT
        return Found(
            row,
            Spec.WITHDRAWN if fake.withdrawn else Spec.READY,
            Lock.PROVEN if lives else Lock.FREE,
            Recorded.LIVING if lives else Recorded.GONE if began else Recorded.MISSING,
            Exit.OWN if fake.record else Exit.MISSING,
            Left.PRESENT if fake.tree else Left.NONE,
        )

    # --- what always holds ----------------------------------------------------------------------------

    @invariant()
    def promise_1_no_task_has_two_living_trees(self) -> None:
        trees = [fake.intent.task.key for fake in self.world.fakes.values() if fake.tree]
        assert len(trees) == len(set(trees)), trees

    @invariant()
    def promise_1_no_session_is_started_twice(self) -> None:
        assert all(fake.starts <= 1 for fake in self.world.fakes.values())

    @invariant()
    def promise_2_no_two_trees_have_overlapping_leases(self) -> None:
        held = [
            (name, lease)
            for name, fake in self.world.fakes.items()
            if fake.tree
            for lease in fake.intent.leases
        ]
        for at, (name, lease) in enumerate(held):
            for other, second in held[at + 1 :]:
                assert name == other or not overlaps(lease.scope, second.scope), (name, other)

    @invariant()
    def promise_4_every_living_tree_has_its_leases_and_no_one_else_has_any(self) -> None:
        broker, roster = self.house.tables.broker, self.house.tables.roster
        assert {lease.holder for lease in broker.leases()} <= {session.id for session in roster}
        for name, fake in self.world.fakes.items():
            if fake.tree:
                assert name in roster, f"{name} lives, and the supervisor has forgotten it"
                assert set(fake.intent.leases) <= set(broker.held(name)), name

    @invariant()
    def an_end_is_written_once_and_never_taken_back(self) -> None:
        assert all(times == 1 for times in self.ends.values())
        roster = {session.id for session in self.house.tables.roster}
        over = {name for name, (_, _, over) in self.world.rows.items() if over}
        assert not roster & over

    @invariant()
    def a_task_that_is_assigned_has_that_session_alive(self) -> None:
        tables = self.house.tables
        for key, track in tables.backlog.tracks():
            living = tables.roster.of_task(key)
            if isinstance(track.standing, Assigned):
                assert living is not None and living.id == track.standing.session, key  # noqa: PT018
            else:
                assert living is None, key
            if isinstance(track.standing, Done):
                fake = self.world.fakes.get(track.standing.session)
                assert fake is not None and fake.record is not None and fake.record.code == 0  # noqa: PT018

    @invariant()
    def no_budget_is_exceeded_and_no_slot_is_overbooked(self) -> None:
        assert all(fake.used <= BUDGET.wall for fake in self.world.fakes.values())
        assert len(self.house.tables.roster) <= FAST.max_sessions

    def teardown(self) -> None:
        """With nothing more going wrong, every session comes to its one end."""
        for _ in range(4):
            self._start_what_is_durable()
            for fake in self._living(Process.LIVES, Process.HALTED):
                fake.leave(ExitRecord("kill", signal=9))
            for session in list(self.house.tables.roster):
                if session.id not in self.launches:
                    self._reconcile(session)
                    self._reconcile(session)
            for name in list(self.settling):
                self.settling.remove(name)
                session_now = self.house.tables.roster.get(name)
                if session_now is not None and isinstance(session_now.life.state, Settling):
                    self.house.tables.admission = replace_with_pause(self.house)
                    self._news(name, Settled(judge_lost("the end of the test", Remains())))
        self._flush()
        assert not len(self.house.tables.roster), [s.id for s in self.house.tables.roster]
        assert not list(self.house.tables.broker.leases())
        assert set(self.ends) == set(self.world.rows)


def replace_with_pause(house: House):
    """Return the admission that lets nothing new start."""
    from supervisor.core.decisions.admission import Draining

    return Draining("test", house.now.wall)


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=80,
    stateful_step_count=50,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
