"""After a failure: a task is tried again after a growing delay until its attempts are used up, then it is parked.

A rate limit is no failure. All instants here are Unix seconds, so that the same steps can be replayed from recorded
endings.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from supervisor.core.duration import format_duration
from supervisor.core.sessions.outcome import Outcome

# --- what an ending weighs --------------------------------------------------------------------------


class Weight(enum.Enum):
    """What an ending says about its task and its lane."""

    SUCCESS = "success"
    FAILURE = "failure"  # of the task and of the lane
    BARREN = "barren"  # the task got nowhere, the lane works
    NEUTRAL = "neutral"  # somebody else's doing: an operator, a policy, a rate limit, a conflict


def weigh(outcome: Outcome) -> Weight:
    """Return what `outcome` counts as."""
    match outcome:
        case Outcome.FINISHED:
            return Weight.SUCCESS
        case Outcome.NO_CHANGE:
            return Weight.BARREN
        case Outcome.FAILED | Outcome.TIMED_OUT | Outcome.STALLED | Outcome.LOST:
            return Weight.FAILURE
        case Outcome.STOPPED | Outcome.KILLED | Outcome.PREEMPTED | Outcome.UNINTEGRATED:
            return Weight.NEUTRAL
        case Outcome.OVER_QUOTA:
            return Weight.NEUTRAL
        # The harness is at fault; see `rest`.
        case Outcome.RATE_LIMITED | Outcome.UNAVAILABLE | Outcome.UNSPAWNED:
            return Weight.NEUTRAL
        case _:
            assert_never(outcome)


# --- a task ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a task is tried, and how long it waits in between.

    `attempts` is the cap, the first one counted; `base` and `cap` are the first and the longest
    delay in seconds; up to `jitter_share` of a delay, in [0, 1], is taken off. Whatever its sessions come
    to, no task is started more than `spawns` times within `spawn_window` seconds.
    """

    attempts: int
    base: float
    cap: float
    jitter_share: float
    spawns: int = 30
    spawn_window: float = 21_600.0

    def lately(self, starts: Iterable[float], now: float) -> tuple[float, ...]:
        """Return the instants that count for the cap on starts, oldest first."""
        return tuple(at for at in starts if at > now - self.spawn_window)[-self.spawns :]


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The task may run again `delay` seconds after its failure."""

    delay: float


@dataclass(frozen=True, slots=True)
class Restless:
    """The task was started as often as it may within a while, whatever came of it; it waits for an operator."""

    starts: int
    within: float

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        return (
            f"parked: it was started {self.starts} times within {format_duration(self.within)}, "
            "whatever came of it; `leasehold task retry` lets it run again"
        )


@dataclass(frozen=True, slots=True)
class Park:
    """The task used up its attempts; it waits for an operator."""

    attempts: int

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        times = "once" if self.attempts == 1 else f"{self.attempts} times in a row"
        return f"parked: it failed {times}; `leasehold task retry` gives it new attempts"


def after_failure(task: str, failures: int, policy: RetryPolicy) -> TryAgain | Park:
    """Return what becomes of `task` after its `failures`th failure (or barren ending) in a row.

    Raises:
        ValueError: `failures` is less than one.
    """
    if failures >= policy.attempts:
        return Park(failures)
    return TryAgain(backoff(failures, policy.base, policy.cap, policy.jitter_share, f"{task}#{failures}"))


def backoff(attempt: int, base: float, cap: float, jitter_share: float, seed: str) -> float:
    """Return the seconds to wait after the `attempt`th failure, the first being 1.

    The delay doubles from `base` up to `cap`; jitter takes off up to `jitter_share` of it, so that
    delays at the cap are spread too and none exceeds it. The same seed gives the same delay, also
    in another process.

    Raises:
        ValueError: `attempt` is less than one.
    """
    if attempt < 1:
        raise ValueError(f"attempt {attempt}: the first attempt is number 1")
    doublings = min(attempt - 1, 64)  # any real cap is reached long before; a float overflows after 1023
    delay: float = min(cap, base * 2.0**doublings)
    return delay * (1.0 - jitter_share * unit_hash(seed))


def unit_hash(seed: str) -> float:
    """Return a number in [0, 1) that depends on `seed` alone: `hash()` differs in each process."""
    digest = hashlib.blake2b(seed.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2.0**48
