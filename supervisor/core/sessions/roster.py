"""The sessions: what each was started for, and where its life is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from supervisor.core.history.grade import Grade
from supervisor.core.leases.lease import Lease
from supervisor.core.moment import Moment
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.hooks import Hooks
from supervisor.core.sessions.lifecycle import (
    Ended,
    Life,
    Paused,
    ProcessId,
    Running,
    Settling,
    Starting,
    Stopping,
    Unkillable,
)
from supervisor.core.sessions.outcome import Ending
from supervisor.core.sessions.reading import Reading
from supervisor.core.sessions.said import Said
from supervisor.core.tasks.task import Expects, Task


@dataclass(frozen=True, slots=True)
class Intent:
    """Why a session exists; written to the journal before anything is started, never changed.

    `capability` is the secret that its processes show to the control socket; `leases` are those it
    started with, `model` is the task's or its harness's, `tier` the harness's label for what it costs. `schedule` names the schedule that asked for it. `rung` is
    what held its processes together. `target` is the branch that its own branch is integrated into; empty when it works in
    the checkout itself.
    """

    session: str
    task: Task
    harness: str
    lane: str
    capability: str
    created: Moment
    budget: Budget
    leases: tuple[Lease, ...] = ()
    model: str = ""
    schedule: str | None = None
    attempt: int = 1
    rung: str = ""
    target: str = ""
    tier: str = ""

    @property
    def fence(self) -> int:
        """The newest fencing token that it started with; larger is newer."""
        return max((lease.token for lease in self.leases), default=0)

    @property
    def repo(self) -> str:
        """The name of the repository it works in; empty when its task names none."""
        return self.task.repo


@dataclass(slots=True)
class Session:
    """One session. `life` is replaced by `lifecycle.step`; the rest is what it did so far.

    `budget` is the intent's, plus extensions. `progress_at` (CLOCK_BOOTTIME seconds) and `fingerprint`
    say when HEAD, tree or log last changed, `probed_at` when that was last looked at. `after_turn` says why it is to be
    stopped after its next commit, `turn_over_at` (CLOCK_BOOTTIME seconds) when, once that has come. `paused_for` are the
    seconds of its pauses that are over. `said` is its latest word on its task, `heard` what its harness told so far, where
    that is understood, `model` the one it named, `hooks` whether those of its agent are heard, and `grade` what its end is worth.
    """

    intent: Intent
    life: Life
    budget: Budget
    progress_at: float = 0.0
    probed_at: float = 0.0
    fingerprint: str = ""
    refused: int = 0  # commits the gate refused
    refusal_told: tuple[object, float] = (None, 0.0)  # what was refused last, and until when that is told
    told_of: set[str] = field(default_factory=set)  # paths that others changed under it, and it knows
    level: str = ""  # of enforcement, as its worker found it; empty until it has said so
    confined: bool = False  # to folders of its own, as its worker said
    after_turn: str | None = None
    turn_over_at: float | None = None
    paused_for: float = 0.0
    said: Said | None = None
    heard: Reading | None = None
    grade: Grade | None = None
    model: str = ""
    hooks: Hooks = Hooks.NONE

    @property
    def id(self) -> str:
        """The session's id."""
        return self.intent.session

    @property
    def key(self) -> str:
        """The key of its task."""
        return self.intent.task.key

    @property
    def state_name(self) -> str:
        """The word for where it is."""
        return _STATES[type(self.life.state)]

    def live(self) -> bool:
        """Tell whether it still holds its slot, task and leases."""
        return not isinstance(self.life.state, Ended)

    def elapsed(self, now: Moment) -> float:
        """Return the seconds since it was started, on the clock its budget runs on: pauses do not count."""
        match self.life.state:
            case Ended(at=end) | Paused(since=end):
                pass
            case _:
                end = now
        return max(0.0, end.mono - self.intent.created.mono - self.paused_for)

    def worker(self) -> ProcessId | None:
        """Return its worker, once that is known and until it is gone."""
        state = self.life.state
        return state.worker if isinstance(state, Running | Paused | Stopping) else None

    def harness(self) -> ProcessId | None:
        """Return the process of its harness, from its start until it is told to end."""
        state = self.life.state
        return state.harness if isinstance(state, Running | Paused) else None

    def ending(self) -> Ending | None:
        """Return how it ended, once it has."""
        return self.life.state.ending if isinstance(self.life.state, Ended) else None

    def understood(self) -> bool:
        """Tell whether its harness has told something that was understood."""
        return self.heard is not None and self.heard.heard > 0

    def expects(self) -> Expects:
        """Return what it must leave behind to count as finished; without a repository, nothing."""
        return self.intent.task.expects if self.intent.repo else Expects.NOTHING


_STATES = {
    Starting: "starting",
    Running: "running",
    Paused: "paused",
    Stopping: "stopping",
    Unkillable: "unkillable",
    Settling: "settling",
    Ended: "ended",
}


class Roster:
    """Sessions alive now, and the latest ones that ended, for those who ask."""

    def __init__(self, remember: int = 256) -> None:
        self._live: dict[str, Session] = {}
        self._ended: dict[str, Session] = {}
        self._by_capability: dict[str, str] = {}
        self._remember = remember

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._live.values())

    def __contains__(self, session: str) -> bool:
        return session in self._live

    def add(self, session: Session) -> None:
        """Take in a new session.

        Raises:
            ValueError: its id or its task is on the roster already.
        """
        for other in self._live.values():
            if other.id == session.id or other.key == session.key:
                raise ValueError(f"session {session.id} for task {session.key}: {other.id} has {other.key}")
        self._live[session.id] = session
        self._by_capability[session.intent.capability] = session.id

    def close(self, session: Session) -> None:
        """Move an ended session out of the living."""
        del self._live[session.id]
        self._by_capability.pop(session.intent.capability, None)
        self._ended[session.id] = session
        while len(self._ended) > self._remember:
            del self._ended[next(iter(self._ended))]

    def get(self, session: str) -> Session | None:
        """Return a living session."""
        return self._live.get(session)

    def find(self, session: str) -> Session | None:
        """Return a session, living or lately ended."""
        return self._live.get(session) or self._ended.get(session)

    def of_task(self, key: str) -> Session | None:
        """Return the living session that has this task."""
        return next((s for s in self._live.values() if s.key == key), None)

    def by_capability(self, capability: str) -> str | None:
        """Return the living session that this capability belongs to."""
        return self._by_capability.get(capability)
