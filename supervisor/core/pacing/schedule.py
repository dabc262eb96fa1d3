"""When a schedule is due, and what becomes of each of its slots: fired, queued, or skipped for a reason.

A schedule has *due times*, by cron or by interval, and each due time offers as many *slots* as it has
sessions to start. The only memory is the last due time that was answered, and the slots that wait:
a clock that steps back fires nothing twice, and a supervisor that was down finds what it missed.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from supervisor.core.duration import format_duration
from supervisor.core.pacing.cadence import Cron, Every, due_times
from supervisor.core.pacing.retry import unit_hash

PUNCTUAL_S = 60.0  # a slot answered this late is on time: a loaded host is no misfire
_LOOK_BACK = timedelta(days=366)  # older due times are forgotten, or a dead clock battery would cost minutes

# --- what a schedule is -----------------------------------------------------------------------------


class Overlap(enum.Enum):
    """What becomes of a slot while sessions of the schedule still run in its place."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits for one to end; at most one waits in each place
    ALLOW = "allow"


class Misfire(enum.Enum):
    """What becomes of due times that passed unanswered, because no supervisor ran or it was draining."""

    SKIP = "skip"
    ONCE = "once"  # the newest is made up for, for all of them, unless it is too late


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named plan; `jitter` and `max_lateness` are in seconds.

    Each due time is moved later by a stable share of `jitter`, never past the next one. A slot that
    is made up for or waits is skipped once it is more than `max_lateness` behind its time.
    """

    name: str
    cadence: Cron | Every
    jitter: float
    overlap: Overlap
    misfire: Misfire
    max_lateness: float
    slots: int


# --- what becomes of a slot ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """Place `number` (from 0) of the due time `due_at`, which is in UTC and without jitter."""

    schedule: str
    due_at: datetime
    number: int

    @property
    def key(self) -> str:
        """Return the name that no other slot ever has: "nightly@2026-03-29T01:00:00Z#0"."""
        return f"{self.schedule}@{self.due_at:%Y-%m-%dT%H:%M:%S}Z#{self.number}"


class Reason(enum.Enum):
    """Why slots were skipped."""

    MISSED = "missed"
    MERGED = "merged"  # a newer due time stands for it
    TOO_LATE = "too_late"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Fire:
    """Start a session for `slot`, `lateness` seconds after its time."""

    slot: Slot
    lateness: float


@dataclass(frozen=True, slots=True)
class Queue:
    """Keep `slot` until a session of the schedule has ended."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Skip:
    """Start nothing for `count` slots, those of the due times from `first` to `last`."""

    schedule: str
    first: datetime
    last: datetime
    count: int
    reason: Reason
    why: str

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        when = f"{self.first:%Y-%m-%d %H:%M:%S} UTC"
        if self.last > self.first:
            when += f" to {self.last:%Y-%m-%d %H:%M:%S} UTC"
        slots = "one slot" if self.count == 1 else f"{self.count} slots"
        return f'schedule "{self.schedule}" skipped {slots} ({when}): {self.why}'


Decision = Fire | Queue | Skip


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a schedule: its last answered due time, and the slots that wait.

    A schedule seen for the first time starts with `Memory(now)`: it makes up for nothing.
    """

    last_due: datetime
    queued: tuple[Slot, ...] = ()


# --- due times ----------------------------------------------------------------------------------------


def next_due(schedule: Schedule, after: datetime) -> datetime:
    """Return the first due time later than `after` (aware), in UTC and without jitter."""
    return next(due_times(schedule.cadence, after))


def fires_at(schedule: Schedule, due_at: datetime) -> datetime:
    """Return when the due time `due_at` is acted on: its stable jitter (whole seconds) later."""
    if not schedule.jitter:
        return due_at
    gap = (next_due(schedule, due_at) - due_at).total_seconds()
    share = unit_hash(f"{schedule.name}@{due_at.astimezone(UTC).isoformat()}")
    return due_at + timedelta(seconds=int(min(schedule.jitter, gap) * share))


def wake_at(schedule: Schedule, memory: Memory) -> datetime:
    """Return when `due` has to be asked next, apart from ends of sessions; it may have passed."""
    return fires_at(schedule, next_due(schedule, memory.last_due))


# --- the decision -------------------------------------------------------------------------------------


def due(
    schedule: Schedule, memory: Memory, now: datetime, running: int
) -> tuple[tuple[Decision, ...], Memory]:
    """Return what to do at `now` (aware), and what to remember.

    `running` is how many sessions of the schedule are alive. Each slot that came due since the last
    answer has its decision; a slot that was queued has another one when it fires or is too late.
    """
    now = now.astimezone(UTC)
    free = schedule.slots if schedule.overlap is Overlap.ALLOW else max(0, schedule.slots - running)
    decisions: list[Decision] = []
    queued: list[Slot] = []
    for slot in memory.queued:
        lateness = _lateness(schedule, slot.due_at, now)
        if lateness > schedule.max_lateness:
            why = f"it waited {format_duration(lateness)} for a running session to end"
            decisions.append(Skip(schedule.name, slot.due_at, slot.due_at, 1, Reason.TOO_LATE, why))
        elif free:
            decisions.append(Fire(slot, lateness))
            free -= schedule.overlap is not Overlap.ALLOW
        else:
            queued.append(slot)
    passed = _passed(schedule, max(memory.last_due, now - _LOOK_BACK), now)
    if passed is None:
        return tuple(decisions), Memory(memory.last_due, tuple(queued))
    refusal = _refusal(schedule, _lateness(schedule, passed.last, now))
    if refusal is not None:
        count = passed.count * schedule.slots
        decisions.append(Skip(schedule.name, passed.first, passed.last, count, *refusal))
    else:
        if passed.count > 1:
            why = f"the start for {passed.last:%Y-%m-%d %H:%M:%S} UTC stands for them"
            count = (passed.count - 1) * schedule.slots
            decisions.append(Skip(schedule.name, passed.first, passed.previous, count, Reason.MERGED, why))
        decisions += _offer(schedule, passed.last, now, free, queued)
    return tuple(decisions), Memory(passed.last, tuple(queued))


def _refusal(schedule: Schedule, lateness: float) -> tuple[Reason, str] | None:
    """Return why the newest due time is not acted on at all, `None` if it is."""
    if lateness <= PUNCTUAL_S:
        return None
    late = format_duration(lateness)
    if schedule.misfire is Misfire.SKIP:
        return Reason.MISSED, f'missed, seen {late} late, and misfire is "skip"'
    if lateness > schedule.max_lateness:
        return Reason.TOO_LATE, f"{late} late, more than {format_duration(schedule.max_lateness)}"
    return None


def _offer(
    schedule: Schedule, due_at: datetime, now: datetime, free: int, queued: list[Slot]
) -> Iterator[Decision]:
    """Give the slots of `due_at` to free places, then to the queue, whose list grows."""
    overlapping = 0
    for number in range(schedule.slots):
        slot = Slot(schedule.name, due_at, number)
        if number < free:
            yield Fire(slot, _lateness(schedule, due_at, now))
        elif schedule.overlap is Overlap.QUEUE and len(queued) < schedule.slots:
            queued.append(slot)
            yield Queue(slot)
        else:
            overlapping += 1
    if overlapping:
        why = "its earlier sessions still run"
        if schedule.overlap is Overlap.QUEUE:
            why += " and the queue is full"
        yield Skip(schedule.name, due_at, due_at, overlapping, Reason.OVERLAP, why)


def _lateness(schedule: Schedule, due_at: datetime, now: datetime) -> float:
    return max(0.0, (now - fires_at(schedule, due_at)).total_seconds())


@dataclass(frozen=True, slots=True)
class _Passed:
    """The due times since the last answer; `previous` is the one before the last, if there are two."""

    first: datetime
    previous: datetime
    last: datetime
    count: int


def _passed(schedule: Schedule, after: datetime, now: datetime) -> _Passed | None:
    if isinstance(schedule.cadence, Every):
        return _passed_at_intervals(schedule, schedule.cadence, after, now)
    passed = None
    for due_at in _reached(schedule, after, now):
        if passed is None:
            passed = _Passed(due_at, due_at, due_at, 1)
        else:
            passed = _Passed(passed.first, passed.last, due_at, passed.count + 1)
    return passed


def _passed_at_intervals(
    schedule: Schedule, cadence: Every, after: datetime, now: datetime
) -> _Passed | None:
    """Return the same by arithmetic: there may be millions of short intervals."""
    first = next(due_times(cadence, after))
    step = timedelta(seconds=cadence.seconds)
    count = max(0, (now - first) // step + 1)
    if count and fires_at(schedule, first + step * (count - 1)) > now:
        count -= 1
    if not count:
        return None
    return _Passed(first, first + step * max(0, count - 2), first + step * (count - 1), count)


def _reached(schedule: Schedule, after: datetime, now: datetime) -> Iterator[datetime]:
    jitter = timedelta(seconds=schedule.jitter)
    for due_at in due_times(schedule.cadence, after):
        if due_at > now or (due_at + jitter > now and fires_at(schedule, due_at) > now):
            return
        yield due_at
