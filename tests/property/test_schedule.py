from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.pacing.cadence import Cron, Every, due_times
from supervisor.core.pacing.schedule import (
    Fire,
    Memory,
    Misfire,
    Overlap,
    Queue,
    Schedule,
    Skip,
    Slot,
    due,
    fires_at,
    next_due,
)

# half-hour changes, changes at midnight, a skipped day, none at all
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/St_Johns",
]
FIELD = st.sampled_from(["0", "30", "*/20", "15,45", "*"])
HOUR = st.sampled_from(["*", "0", "1", "2", "1-3", "*/6", "23"])
DAY = st.sampled_from(["* * *", "* * sun", "1 * *", "29-31 3,10 *", "* * 1-5"])
crons = st.builds(
    lambda minute, hour, day, zone: Cron(f"{minute} {hour} {day}", ZoneInfo(zone)),
    FIELD,
    HOUR,
    DAY,
    st.sampled_from(ZONES),
)
intervals = st.builds(Every, st.integers(1, 100_000).map(float) | st.floats(1, 100_000))
cadences = crons | intervals
instants = st.datetimes(
    datetime(2008, 1, 1),  # noqa: DTZ001  - hypothesis adds the zone
    datetime(2030, 1, 1),  # noqa: DTZ001  - the same
    timezones=st.just(UTC),
)
plans = st.builds(
    Schedule,
    st.sampled_from(["a", "b"]),
    cadences,
    st.sampled_from([0.0, 1.0, 600.0, 90_000.0]),
    st.sampled_from(Overlap),
    st.sampled_from(Misfire),
    st.sampled_from([0.0, 300.0, 86_400.0]),
    st.integers(1, 3),
)


@given(cadences, instants)
def test_due_times_only_grow(cadence: Cron | Every, after: datetime) -> None:
    times = [after, *islice(due_times(cadence, after), 30)]

    assert all(a < b for a, b in pairwise(times))


@given(plans, instants)
def test_the_next_due_time_does_not_depend_on_when_within_the_gap_it_is_asked(
    plan: Schedule, after: datetime
) -> None:
    first = next_due(plan, after)

    assert next_due(plan, after + (first - after) / 2) == first
    assert next_due(plan, first - timedelta(microseconds=1)) == first
    assert next_due(plan, first) > first


@given(crons, instants)
def test_cron_due_times_show_what_the_expression_says_or_follow_a_gap(cron: Cron, after: datetime) -> None:
    minutes = cron.expression.split()[0]
    for due_at in islice(due_times(cron, after), 10):
        local = due_at.astimezone(cron.zone)
        just_before = (due_at - timedelta(minutes=1)).astimezone(cron.zone)
        jumped = local.utcoffset() != just_before.utcoffset()
        wanted = {"0": {0}, "30": {30}, "*/20": {0, 20, 40}, "15,45": {15, 45}, "*": set(range(60))}[minutes]
        assert local.minute in wanted or jumped


@given(plans, instants)
def test_jitter_is_stable_bounded_and_keeps_the_order(plan: Schedule, after: datetime) -> None:
    times = list(islice(due_times(plan.cadence, after), 8))
    fired = [fires_at(plan, due_at) for due_at in times]

    assert fired == [fires_at(plan, due_at) for due_at in times]
    assert all(0 <= (f - d).total_seconds() <= plan.jitter for d, f in zip(times, fired, strict=True))
    assert all(f < d for f, d in zip(fired, times[1:], strict=False))


@settings(max_examples=150)
@given(
    plans,
    instants,
    st.lists(st.tuples(st.integers(-7_200, 40_000), st.integers(0, 3)), min_size=1, max_size=12),
)
def test_every_slot_that_came_due_is_answered_exactly_once(
    plan: Schedule, start: datetime, steps: list[tuple[int, int]]
) -> None:
    """Whatever the clock does, back steps included: fired, queued once then fired or skipped, or skipped."""
    memory, now = Memory(start), start
    fired: list[Slot] = []
    queued: list[Slot] = []
    skipped = expired = 0
    for seconds, running in steps:
        now += timedelta(seconds=seconds)
        answered = memory.last_due
        decisions, memory = due(plan, memory, now, running)
        fires = [d.slot for d in decisions if isinstance(d, Fire)]
        skips = [d for d in decisions if isinstance(d, Skip)]
        fired += fires
        queued += [d.slot for d in decisions if isinstance(d, Queue)]
        skipped += sum(d.count for d in skips if d.last > answered)
        expired += sum(d.count for d in skips if d.last <= answered)
        assert len(memory.queued) <= plan.slots
        assert plan.overlap is Overlap.ALLOW or len(fires) <= max(0, plan.slots - running)

    came_due = len(list(takewhile(lambda at: at <= memory.last_due, due_times(plan.cadence, start))))
    assert len(set(fired)) == len(fired)
    assert len(set(queued)) == len(queued)
    assert len(set(fired) - set(queued)) + len(queued) + skipped == came_due * plan.slots
    assert len(set(fired) & set(queued)) + expired + len(memory.queued) == len(queued)
