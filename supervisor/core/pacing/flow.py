"""Whether sessions of a lane may start: one in which many fail within one window is paused, and that is said once.

When the window has passed one session, the canary, may try: its success resumes the lane, its failure pauses it for
another window. All instants here are Unix seconds, so that the same steps can be replayed from recorded endings.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import assert_never

from supervisor.core.duration import format_duration
from supervisor.core.pacing.retry import Weight, weigh
from supervisor.core.sessions.outcome import Outcome


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
