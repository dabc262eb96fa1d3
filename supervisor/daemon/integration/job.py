"""One branch on its way into its target."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import anyio

from supervisor.core.sessions.integration import Hitch, Integrated, Unintegrated, branch_of
from supervisor.core.sessions.roster import Intent
from supervisor.world.git.history import SESSION_TRAILER, TASK_TRAILER
from supervisor.world.git.repository import Repository


class Stage(enum.Enum):
    """Where an integration is."""

    LEASES = "waits for leases"
    QUEUED = "queued"
    COMBINING = "being combined"
    CHECKING = "being checked"
    HELD = "held"


@dataclass(slots=True, eq=False)
class Job:
    """One branch to integrate; `holder` has the leases for it, `since` is Unix seconds.

    `why` says what it waits for. `poked` is set when somebody wants it tried again at once. A `living` session goes on
    afterwards, and waits for `patience` seconds at most, where it said so. `scope` is that of the task that waits; `over`
    is set once it is out of the line.
    """

    session: str
    task: str
    title: str
    name: str
    repo: Repository
    branch: str
    target: str
    tip: str
    holder: str
    since: float
    stage: Stage = Stage.LEASES
    why: str = ""
    paths: tuple[str, ...] = ()
    result: Integrated | Unintegrated | None = None
    poked: anyio.Event = field(default_factory=anyio.Event)
    living: bool = False
    patience: float | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    def of(cls, intent: Intent, repo: Repository, tip: str, holder: str, since: float) -> Job:
        """Return that the branch of a session is to come into its target, for an intent that has one."""
        return cls(
            session=intent.session,
            task=intent.task.key,
            title=intent.task.title,
            name=intent.repo,
            repo=repo,
            branch=branch_of(intent.session),
            target=intent.target,
            tip=tip,
            holder=holder,
            since=since,
        )

    def limit(self, policy: float) -> float:
        """Return for how long it waits, in seconds, where `policy` is what is usual."""
        return policy if self.patience is None else min(policy, self.patience)

    def kept(self, hitch: Hitch, why: str, tail: str = "") -> Unintegrated:
        """Return that the commits stay on their branch."""
        return Unintegrated(hitch, self.branch, self.target, why, tail=tail)

    def message(self) -> str:
        """Return the message of the commit that merges it."""
        return f"Merge {self.title}\n\n{SESSION_TRAILER}: {self.session}\n{TASK_TRAILER}: {self.task}\n"

    def as_json(self) -> dict[str, Any]:
        """Return the form that `status --json` prints."""
        return {
            "session": self.session,
            "task": self.task,
            "repo": self.name,
            "branch": self.branch,
            "target": self.target,
            "stage": self.stage.value,
            "why": self.why,
            "since": self.since,
        }
