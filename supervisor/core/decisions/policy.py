"""What the operator configured, as the core needs it: plain values, durations in seconds."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.history.quota import Quota
from supervisor.core.leases.scope import Scope
from supervisor.core.pacing.flow import Intensity
from supervisor.core.pacing.retry import RetryPolicy
from supervisor.core.pacing.schedule import Schedule
from supervisor.core.sessions.allowance import Allowance
from supervisor.core.sessions.budget import Budget


class Preempt(enum.Enum):
    """What re-ranking may do to a session that the new ranking no longer justifies."""

    NEVER = "never"
    AFTER_TURN = "after-turn"
    NOW = "now"


class Choose(enum.Enum):
    """Which harness runs a task that names none."""

    ORDER = "order"  # the first that has room, as they stand in the configuration
    THOMPSON = "thompson"  # one that has room, by draws from what their sessions were worth so far


class Undeclared(enum.Enum):
    """Whether a task that declares no paths may take free paths when it commits."""

    GRANT = "grant"
    REFUSE = "refuse"


class StaleReads(enum.Enum):
    """What follows when a session first writes a file that another committed to since the session began."""

    TELL = "tell"  # it is told, and the write goes on
    REFUSE = "refuse"  # it is told, and the first write fails; the next one passes
    OFF = "off"


class Orphans(enum.Enum):
    """What becomes of uncommitted changes that belong to no session."""

    HOLD = "hold"
    HAND_OFF = "hand-off"
    SALVAGE = "salvage"


class Leftovers(enum.Enum):
    """What becomes of a session's uncommitted changes in the checkout, once they are kept as a salvage."""

    KEEP = "keep"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Harness:
    """A way to run an agent. `max_sessions` limits how many run at once; `tier` is a free label.

    `allowance` is what each of its sessions may use of its model.
    """

    name: str
    budget: Budget
    model: str = ""
    tier: str = ""
    max_sessions: int | None = None
    allowance: Allowance = Allowance()  # noqa: RUF009  - frozen


class Way(enum.Enum):
    """How commits come to their target."""

    REBASE = "rebase"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Integration:
    """How the branches of sessions come into `target`.

    `check` is run on the result first, for `check_timeout` seconds at most, on up to `batch` branches at once.
    `wait` is how many seconds a target is waited for that cannot be moved.
    """

    target: str
    way: Way = Way.REBASE
    check: tuple[str, ...] = ()
    check_timeout: float = 1800.0
    batch: int = 8
    wait: float = 600.0


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository. Nobody may touch its `exclude` scopes; files over `salvage_limit` bytes are not salvaged.

    With an `integration` each session has a work tree and a branch of its own; without, all share the checkout.
    """

    name: str
    exclude: tuple[Scope, ...] = ()
    orphans: Orphans = Orphans.HOLD
    leftovers: Leftovers = Leftovers.KEEP
    salvage_limit: int | None = None
    integration: Integration | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """How tasks are chosen; windows and runtimes in seconds, the lane window in assignments.

    `explore` is the share of choices that are made blindly, so that no harness is given up for good.
    """

    lane_window: int = 20
    plateau_share: float = 0.6
    plateau_min: int = 5
    recent_window: float = 600.0
    preempt: Preempt = Preempt.NEVER
    min_runtime: float = 120.0
    choose: Choose = Choose.ORDER
    explore: float = 0.1


@dataclass(frozen=True, slots=True)
class Leases:
    """Idle expiry under contention, the longest wait that may be asked for (both seconds), and discovery.

    `stale_reads` is about writes that may rest on what a session read before another changed it.
    """

    ttl: float = 900.0
    max_wait: float = 600.0
    undeclared: Undeclared = Undeclared.GRANT
    stale_reads: StaleReads = StaleReads.TELL


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule, and what its slots are for: a harness, a lane or a tag (empty: any)."""

    schedule: Schedule
    harness: str = ""
    lane: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole of it; replaced as one at a reload."""

    max_sessions: int = 4
    pool: bool = True
    harnesses: Mapping[str, Harness] = field(default_factory=dict)
    repos: Mapping[str, Repo] = field(default_factory=dict)
    selection: Selection = Selection()
    retry: RetryPolicy = RetryPolicy(3, 30.0, 1800.0, 0.25)  # noqa: RUF009  - frozen
    intensity: Intensity = Intensity(600.0, 5)  # noqa: RUF009  - frozen
    overall: Intensity = Intensity(600.0, 20)  # noqa: RUF009  - frozen
    leases: Leases = Leases()
    quotas: tuple[Quota, ...] = ()
    schedules: tuple[Planned, ...] = ()

    def integration(self, repo: str) -> Integration | None:
        """Return how branches come into their target in a repository; `None` where its sessions share the checkout."""
        found = self.repos.get(repo)
        return found.integration if found is not None else None

    def way(self, repo: str) -> Way:
        """Return how commits come to their target in a repository."""
        integration = self.integration(repo)
        return integration.way if integration is not None else Way.REBASE

    def account(self, harness: str) -> tuple[str, tuple[str, ...]]:
        """Return the account that a harness runs on, and all harnesses that share it; it alone where none is named.

        Several quotas may be about one account: one for each window, say. Whoever shares one of them shares the account.
        """
        shared = [quota for quota in self.quotas if quota.account and harness in quota.harnesses]
        if not shared:
            return harness, (harness,)
        names = dict.fromkeys(name for quota in shared for name in quota.harnesses)
        return max(shared, key=lambda quota: len(quota.harnesses)).name, tuple(names)
