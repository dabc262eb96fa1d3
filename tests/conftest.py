"""What several test files share: tables made in one line, and the fakes they need."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from supervisor.core.decisions import advance, assign, wake
from supervisor.core.decisions.effects import Effect, Launch, Note
from supervisor.core.decisions.policy import Harness, Policy, Repo
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.moment import Moment
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import Event, HarnessStarted, ProcessId, Settled, WorkerEnded
from supervisor.core.sessions.outcome import judge
from supervisor.core.sessions.reading import Verdict
from supervisor.core.sessions.remains import Landed, Remains
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.verdicts import Told
from supervisor.core.tasks.backlog import Backlog, Offer, Work
from supervisor.core.tasks.standing import standing_name
from supervisor.core.tasks.task import Task
from supervisor.world.control.loop import ServingLoop

START = Moment(1000.0, 1_700_000_000.0)
BUDGET = Budget(wall=3000.0, warn=300.0, grace=10.0)
POLICY = Policy(
    max_sessions=4,
    harnesses={"sh": Harness("sh", BUDGET)},
    repos={"repo": Repo("repo")},
)


def pytest_configure() -> None:
    """Take SIGINT back where the tests run in a shell's background: all that they start would ignore it too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def work(key: str, *paths: str, **fields: Any) -> Work:
    """Return a task `key` over `paths`, with its leases."""
    task = Task(
        key=key,
        title=fields.pop("title", key.title()),
        source=fields.pop("source", "md"),
        repo=fields.pop("repo", "repo"),
        paths=tuple(paths),
        **fields,
    )
    scopes = [scope for path in paths for scope in parse_scopes(path, task.repo)]
    scopes += [scope for name in task.resources for scope in parse_scopes(name, "")]
    return Work(task, tuple(Want(scope, Mode.EXCLUSIVE) for scope in scopes))


@dataclass
class House:
    """The core with a clock that only the test moves, and everything it ever asked of the world."""

    tables: Tables
    now: Moment = START
    effects: list[Effect] = field(default_factory=list)

    def offer(self, *works: Work, source: str = "md") -> None:
        """Read a source."""
        works = tuple(replace(w, task=replace(w.task, source=source)) for w in works)
        self.tables.backlog.offer(Offer(source, works, (), self.now.wall))

    def fill(self) -> list[str]:
        """Fill free slots; return the tasks that were started."""
        return self.take(assign.fill(self.tables, self.now))

    def take(self, effects: Iterable[Effect]) -> list[str]:
        """Keep effects; return the tasks that they launch."""
        fresh = list(effects)
        self.effects += fresh
        launched = [effect.session for effect in fresh if isinstance(effect, Launch)]
        return [session.key for name in launched if (session := self.tables.roster.find(name))]

    def pass_time(self, seconds: float) -> list[str]:
        """Let time pass and do what is due."""
        self.now = self.now.later(seconds)
        return self.take(wake.tick(self.tables, self.now))

    def session(self, key: str) -> Session:
        """Return the living session of a task."""
        session = self.tables.roster.of_task(key)
        assert session is not None
        return session

    def news(self, key: str, event: Event) -> list[str]:
        """Give an event to the session of a task."""
        return self.take(advance.advance(self.tables, self.session(key).id, event, self.now))

    def started(self, key: str) -> None:
        """Let the worker of a task's session report."""
        pid = 1000 + len(self.effects)
        self.news(key, HarnessStarted(ProcessId(pid, 1, "boot"), ProcessId(pid + 1, 1, "boot")))

    def end(
        self,
        key: str,
        code: int = 0,
        *,
        commits: Sequence[str] = (),
        cause: str = "exited",
        verdict: Verdict | None = None,
    ) -> list[str]:
        """Let the session of a task end and settle; return the tasks started thereby."""
        session = self.session(key)
        record = ExitRecord(cause, code=code, ended_at=self.now.wall)
        remains = Remains(tuple(Landed(sha, "subject", self.now.wall) for sha in commits))
        self.news(key, WorkerEnded(record))
        return self.news(key, Settled(judge(record, remains, session.expects(), told=Told(verdict))))

    def notes(self, kind: str) -> list[Note]:
        """Return the notes of one kind so far."""
        return [effect for effect in self.effects if isinstance(effect, Note) and effect.kind == kind]

    def standing(self, key: str) -> str:
        """Return the word for where a task stands."""
        return standing_name(self.tables.backlog.track(key).standing)


def make_house(policy: Policy = POLICY) -> House:
    """Return an empty house."""
    tokens = Tokens()
    tokens.reserve(1_000_000)
    numbers = itertools.count(1)

    def mint() -> tuple[str, str]:
        number = next(numbers)
        return f"s{number}", f"secret-{number}"

    return House(
        Tables(
            policy=policy,
            broker=Broker(tokens),
            backlog=Backlog(["md"]),
            mint=mint,
            recent=Recent(policy.selection.recent_window),
        )
    )


@pytest.fixture
def house() -> House:
    """Return an empty house with four slots, one harness "sh" and one repository "repo"."""
    return make_house()


@pytest.fixture
def new_house() -> Callable[..., House]:
    """Return what makes a house whose policy differs in some fields."""
    return lambda **changes: make_house(replace(POLICY, **changes))


@pytest.fixture(name="work")
def work_fixture() -> Callable[..., Work]:
    """Return what makes a task in one line."""
    return work


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], ServingLoop]]:
    """Run asynchronous tests in the supervisor's own event loop."""
    return {"serving": ServingLoop}
