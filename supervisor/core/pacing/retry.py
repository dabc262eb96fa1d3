"""After a failure: wait longer each time, park a task that keeps failing, pause a lane that does.

Two stages. A *task* is tried again after a growing delay until its attempts are used up, then it is
parked. A *lane* in which many sessions fail within one window is paused, and that is said once; when
the window has passed one session, the canary, may try: its success resumes the lane, its failure
pauses it for another window. A rate limit is no failure of either.

All instants here are Unix seconds, so that the same steps can be replayed from recorded endings.
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


# --- a lane ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intensity:
    """A lane is paused at the `limit`th failure within `window` seconds."""

    window: float
    limit: int


@dataclass(frozen=True, slots=True)
class Flowing:
    """Sessions start freely; `failures` are the instants of those within the window, oldest first."""

    failures: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Paused:
    """No session starts before `until`; then one may, as the canary."""

    since: float
    until: float
    failures: int


@dataclass(frozen=True, slots=True)
class Probing:
    """Paused since `since`; the canary runs, and nothing else starts until it has ended."""

    since: float
    session: str
    failures: int


@dataclass(frozen=True, slots=True)
class Held:
    """An operator paused the lane; only an operator resumes it."""

    since: float
    by: str
    why: str


Lane = Flowing | Paused | Probing | Held
LANES: dict[str, type[Lane]] = {"flowing": Flowing, "paused": Paused, "probing": Probing, "held": Held}
_LANE_NAMES = {kind: name for name, kind in LANES.items()}


def lane_name(lane: Lane) -> str:
    """Return the word that status, logs and journal use."""
    return _LANE_NAMES[type(lane)]


@dataclass(frozen=True, slots=True)
class Started:
    """A session of the lane started."""

    session: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A session of the lane ended."""

    session: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Hold:
    """An operator pauses the lane."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator resumes the lane; its failures are forgotten."""

    by: str


LaneEvent = Started | Ended | Hold | Resume


class Notice(enum.Enum):
    """What is to be told of the lane; `PAUSED` comes once for each time the lane stops flowing."""

    PAUSED = "paused"
    CANARY_FAILED = "canary_failed"
    RESUMED = "resumed"
    HELD = "held"


def step(lane: Lane, event: LaneEvent, policy: Intensity, now: float) -> tuple[Lane, Notice | None]:
    """Return the lane after `event`, and what is to be said about it.

    Endings of sessions that started before a pause change nothing: they tell no news.
    """
    match event:
        case Hold(by, why):
            return (lane, None) if isinstance(lane, Held) else (Held(now, by, why), Notice.HELD)
        case Resume():
            return Flowing(), None if isinstance(lane, Flowing) else Notice.RESUMED
        case Started(session):
            if isinstance(lane, Paused) and now >= lane.until:
                return Probing(lane.since, session, lane.failures), None
            return lane, None
        case Ended(session, outcome):
            return _ended(lane, session, weigh(outcome), policy, now)


def _ended(
    lane: Lane, session: str, weight: Weight, policy: Intensity, now: float
) -> tuple[Lane, Notice | None]:
    match lane:
        case Flowing(failures):
            if weight is not Weight.FAILURE:
                return lane, None
            recent = (*(at for at in failures if now - at < policy.window), now)
            if len(recent) < policy.limit:
                return Flowing(recent), None
            return Paused(now, now + policy.window, len(recent)), Notice.PAUSED
        case Probing(since, canary, failures):
            if session != canary:
                return lane, None
            match weight:
                case Weight.SUCCESS | Weight.BARREN:
                    return Flowing(), Notice.RESUMED
                case Weight.FAILURE:
                    return Paused(since, now + policy.window, failures + 1), Notice.CANARY_FAILED
                case Weight.NEUTRAL:  # it proved nothing: the next session is the canary
                    return Paused(since, now, failures), None
                case _:
                    assert_never(weight)
        case Paused() | Held():
            return lane, None


@dataclass(frozen=True, slots=True)
class MustWait:
    """No session of the lane may start; `until` is `None` where no hour is known."""

    until: float | None
    why: str


def admit(name: str, lane: Lane, now: float) -> MustWait | None:
    """Return why no session of the lane `name` may start at `now`; `None` if one may."""
    named = f'lane "{name}" is' if name else "tasks without a lane are"
    way_out = f"`leasehold resume --lane {name}`" if name else "`leasehold resume --lane ''`"
    return admit_named(named, way_out, lane, now)


def admit_named(named: str, way_out: str, lane: Lane, now: float) -> MustWait | None:
    """Return the same for something that sentences call `named`, verb included, and that `way_out` resumes."""
    match lane:
        case Flowing():
            return None
        case Paused(_, until, failures):
            if now >= until:
                return None  # as its canary
            left = format_duration(until - now)
            return MustWait(until, f"{named} paused after {failures} failures; one try in {left}")
        case Probing(_, session, _):
            return MustWait(None, f"{named} paused; {session} tries whether it works again")
        case Held(_, by, why):
            reason = f" ({why})" if why else ""
            return MustWait(None, f"{named} paused by {by}{reason}; {way_out} ends it")
