from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from supervisor.core.pacing.cadence import Cron, Every, ScheduleError
from supervisor.core.pacing.schedule import (
    Decision,
    Fire,
    Memory,
    Misfire,
    Overlap,
    Queue,
    Reason,
    Schedule,
    Skip,
    Slot,
    due,
    fires_at,
    next_due,
    wake_at,
)

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
START = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return START + timedelta(hours=hour, minutes=minute, seconds=second)


def schedule(
    cadence: Cron | Every | None = None,
    *,
    jitter: float = 0,
    overlap: Overlap = Overlap.SKIP,
    misfire: Misfire = Misfire.ONCE,
    max_lateness: float = 3600,
    slots: int = 1,
) -> Schedule:
    hourly = Every(3600)
    return Schedule("nightly", cadence or hourly, jitter, overlap, misfire, max_lateness, slots)


def slot(hour: int, number: int = 0) -> Slot:
    return Slot("nightly", at(hour), number)


def reasons(decisions: tuple[Decision, ...]) -> list[tuple[Reason, int]]:
    return [(d.reason, d.count) for d in decisions if isinstance(d, Skip)]


# --- due times ----------------------------------------------------------------------------------------


def test_intervals_are_multiples_from_the_epoch_whenever_they_are_asked_for() -> None:
    plan = schedule(Every(900))

    assert next_due(plan, at(3, 5)) == at(3, 15)
    assert next_due(plan, at(3, 14, 59)) == at(3, 15)
    assert next_due(plan, at(3, 15)) == at(3, 30)
    assert next_due(plan, at(-2)) == at(-2, 15)


def test_cron_is_read_in_its_zone() -> None:
    plan = schedule(Cron("30 7 * * mon-fri", BERLIN))

    assert next_due(plan, datetime(2026, 1, 9, 12, tzinfo=UTC)) == datetime(2026, 1, 12, 6, 30, tzinfo=UTC)
    assert next_due(plan, datetime(2026, 7, 9, 12, tzinfo=UTC)) == datetime(2026, 7, 10, 5, 30, tzinfo=UTC)


def test_a_time_in_the_spring_gap_comes_right_after_it() -> None:
    plan = schedule(Cron("30 2 * * *", BERLIN))

    first = next_due(plan, datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert first.astimezone(BERLIN).isoformat() == "2026-03-29T03:00:00+02:00"
    assert next_due(plan, first).astimezone(BERLIN).isoformat() == "2026-03-30T02:30:00+02:00"


def test_a_time_that_happens_twice_in_autumn_is_due_once() -> None:
    plan = schedule(Cron("30 2 * * *", BERLIN))

    first = next_due(plan, datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first.astimezone(BERLIN).isoformat() == "2026-10-25T02:30:00+02:00"
    assert next_due(plan, first).astimezone(BERLIN).isoformat() == "2026-10-26T02:30:00+01:00"


def test_asked_in_the_second_pass_of_the_hour_no_time_of_the_first_pass_comes_back() -> None:
    plan = schedule(Cron("45 2 * * *", BERLIN))
    second_pass = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 again, at +01:00

    assert next_due(plan, second_pass).astimezone(BERLIN).isoformat() == "2026-10-26T02:45:00+01:00"


def test_a_half_hour_change_of_the_clock_is_followed() -> None:
    plan = schedule(Cron("*/15 * * * *", LORD_HOWE))
    due_at = datetime(2026, 4, 4, 14, tzinfo=UTC)  # the clock goes back by 30 minutes at 15:00 UTC

    times = []
    for _ in range(6):
        due_at = next_due(plan, due_at)
        times.append(due_at)
    assert [b - a for a, b in pairwise(times)] == [timedelta(minutes=15)] * 5


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("61 * * * *", "Bad minute"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 * * mon#6", "Bad day-of-week"),
    ],
)
def test_a_wrong_expression_is_refused_by_name(expression: str, what: str) -> None:
    with pytest.raises(ScheduleError, match=what) as refused:
        Cron(expression, UTC)

    assert expression in str(refused.value)


def test_an_interval_needs_a_second() -> None:
    with pytest.raises(ScheduleError, match="at least 1 s"):
        Every(0.5)


# --- jitter -------------------------------------------------------------------------------------------


def test_jitter_is_stable_and_differs_by_name_and_time() -> None:
    plan = schedule(jitter=1800)
    other = Schedule("weekly", plan.cadence, 1800, plan.overlap, plan.misfire, plan.max_lateness, 1)

    delays = [(fires_at(plan, at(h)) - at(h)).total_seconds() for h in range(24)]
    assert delays == [(fires_at(plan, at(h)) - at(h)).total_seconds() for h in range(24)]
    assert delays != [(fires_at(other, at(h)) - at(h)).total_seconds() for h in range(24)]
    assert len(set(delays)) > 12
    assert 0 <= min(delays) < max(delays) < 1800


def test_jitter_never_reaches_the_next_due_time() -> None:
    plan = schedule(Every(60), jitter=86_400)

    assert all(fires_at(plan, at(0, m)) < at(0, m + 1) for m in range(200))


def test_a_slot_fires_after_its_jitter_and_not_before() -> None:
    plan = schedule(jitter=3600)
    memory = Memory(at(0))
    fires = wake_at(plan, memory)

    assert fires > at(1)
    assert due(plan, memory, fires - timedelta(seconds=1), 0) == ((), memory)
    assert due(plan, memory, fires, 0) == ((Fire(slot(1), 0.0),), Memory(at(1)))


# --- firing and the clock -----------------------------------------------------------------------------


def test_before_its_time_nothing_is_decided() -> None:
    assert due(schedule(), Memory(at(1)), at(1, 59), 0) == ((), Memory(at(1)))


def test_each_place_of_a_due_time_is_a_slot_with_a_name_of_its_own() -> None:
    decisions, memory = due(schedule(slots=3), Memory(at(1)), at(2), 0)

    assert decisions == tuple(Fire(slot(2, n), 0.0) for n in range(3))
    assert [d.slot.key for d in decisions if isinstance(d, Fire)] == [
        "nightly@2026-06-01T02:00:00Z#0",
        "nightly@2026-06-01T02:00:00Z#1",
        "nightly@2026-06-01T02:00:00Z#2",
    ]
    assert memory == Memory(at(2))


def test_a_clock_that_steps_back_fires_nothing_twice() -> None:
    plan = schedule()
    _, memory = due(plan, Memory(at(1)), at(2, 0, 5), 0)

    fired = []
    for minute in range(180):  # from an hour earlier on, once more
        decisions, memory = due(plan, memory, at(1, minute), 0)
        fired += [d.slot.due_at for d in decisions if isinstance(d, Fire)]
    assert fired == [at(3)]


# --- misfires -----------------------------------------------------------------------------------------


def test_a_minute_late_is_on_time_for_either_policy() -> None:
    for misfire in Misfire:
        decisions, _ = due(schedule(misfire=misfire), Memory(at(1)), at(2, 1), 0)
        assert decisions == (Fire(slot(2), 60.0),)


def test_many_misses_are_made_up_for_once_and_the_others_are_on_record() -> None:
    decisions, memory = due(schedule(), Memory(at(1)), at(9, 30), 0)

    merged, fire = decisions
    assert fire == Fire(slot(9), 1800.0)
    assert isinstance(merged, Skip)
    assert (merged.reason, merged.first, merged.last, merged.count) == (Reason.MERGED, at(2), at(8), 7)
    assert merged.sentence() == (
        'schedule "nightly" skipped 7 slots (2026-06-01 02:00:00 UTC to 2026-06-01 08:00:00 UTC): '
        "the start for 2026-06-01 09:00:00 UTC stands for them"
    )
    assert memory == Memory(at(9))
    assert due(schedule(), memory, at(9, 30), 0) == ((), memory)


def test_the_count_of_a_skip_is_in_slots() -> None:
    decisions, _ = due(schedule(slots=2), Memory(at(1)), at(4), 0)

    assert reasons(decisions) == [(Reason.MERGED, 4)]


def test_what_is_later_than_the_maximum_is_skipped() -> None:
    decisions, memory = due(schedule(max_lateness=600), Memory(at(1)), at(4, 30), 0)

    assert reasons(decisions) == [(Reason.TOO_LATE, 3)]
    assert isinstance(decisions[0], Skip)
    assert decisions[0].why == "30m late, more than 10m"
    assert memory == Memory(at(4))


def test_misses_are_all_skipped_where_the_policy_says_so() -> None:
    decisions, memory = due(schedule(misfire=Misfire.SKIP), Memory(at(1)), at(4, 30), 0)

    assert reasons(decisions) == [(Reason.MISSED, 3)]
    assert memory == Memory(at(4))


def test_the_newest_fires_on_time_even_where_older_misses_are_skipped() -> None:
    decisions, _ = due(schedule(misfire=Misfire.SKIP), Memory(at(1)), at(4, 0, 10), 0)

    assert reasons(decisions) == [(Reason.MERGED, 2)]
    assert decisions[1] == Fire(slot(4), 10.0)


def test_cron_and_interval_count_the_same_misses() -> None:
    by_cron, _ = due(schedule(Cron("*/5 * * * *", UTC)), Memory(at(0)), at(50, 3), 0)
    by_interval, _ = due(schedule(Every(300)), Memory(at(0)), at(50, 3), 0)

    assert by_cron == by_interval
    assert reasons(by_cron) == [(Reason.MERGED, 599)]


def test_a_memory_from_the_wrong_century_costs_a_year_at_most() -> None:
    decisions, memory = due(schedule(Every(1)), Memory(datetime(1970, 1, 1, tzinfo=UTC)), at(0), 0)

    assert reasons(decisions) == [(Reason.MERGED, 366 * 86_400 - 1)]
    assert memory.last_due == at(0)


# --- overlap ------------------------------------------------------------------------------------------


def test_slots_whose_places_are_taken_are_skipped_by_name() -> None:
    decisions, _ = due(schedule(slots=3), Memory(at(1)), at(2), 2)

    assert decisions[0] == Fire(slot(2, 0), 0.0)
    assert reasons(decisions) == [(Reason.OVERLAP, 2)]
    assert isinstance(decisions[1], Skip)
    assert decisions[1].sentence() == (
        'schedule "nightly" skipped 2 slots (2026-06-01 02:00:00 UTC): its earlier sessions still run'
    )


def test_where_overlap_is_allowed_running_sessions_do_not_matter() -> None:
    decisions, _ = due(schedule(slots=2, overlap=Overlap.ALLOW), Memory(at(1)), at(2), 9)

    assert decisions == (Fire(slot(2, 0), 0.0), Fire(slot(2, 1), 0.0))


def test_a_queued_slot_waits_for_a_place_and_fires_before_newer_ones() -> None:
    plan = schedule(overlap=Overlap.QUEUE)

    decisions, memory = due(plan, Memory(at(1)), at(2), 1)
    assert decisions == (Queue(slot(2)),)
    assert memory == Memory(at(2), (slot(2),))

    assert due(plan, memory, at(2, 20), 1) == ((), memory)

    decisions, memory = due(plan, memory, at(2, 30), 0)
    assert decisions == (Fire(slot(2), 1800.0),)
    assert memory == Memory(at(2))


def test_the_queue_has_one_place_for_each_slot() -> None:
    plan = schedule(overlap=Overlap.QUEUE, slots=2)

    _, memory = due(plan, Memory(at(1)), at(2), 2)
    decisions, memory = due(plan, memory, at(3), 2)

    assert reasons(decisions) == [(Reason.OVERLAP, 2)]
    assert memory == Memory(at(3), (slot(2, 0), slot(2, 1)))


def test_a_freed_place_goes_to_the_queued_slot_and_the_new_one_takes_its_turn() -> None:
    plan = schedule(overlap=Overlap.QUEUE)
    _, memory = due(plan, Memory(at(1)), at(2), 1)

    decisions, memory = due(plan, memory, at(3), 0)

    assert decisions == (Fire(slot(2), 3600.0), Queue(slot(3)))
    assert memory == Memory(at(3), (slot(3),))


def test_a_slot_that_waited_too_long_is_skipped() -> None:
    plan = schedule(overlap=Overlap.QUEUE, max_lateness=1200)
    _, memory = due(plan, Memory(at(1)), at(2), 1)

    decisions, memory = due(plan, memory, at(2, 30), 0)

    assert reasons(decisions) == [(Reason.TOO_LATE, 1)]
    assert isinstance(decisions[0], Skip)
    assert decisions[0].why == "it waited 30m for a running session to end"
    assert memory == Memory(at(2))


def test_a_queued_slot_does_not_make_a_skipped_misfire_fire() -> None:
    plan = schedule(overlap=Overlap.QUEUE, misfire=Misfire.SKIP)
    _, memory = due(plan, Memory(at(1)), at(2), 1)

    decisions, memory = due(plan, memory, at(2, 59), 0)
    assert decisions == (Fire(slot(2), 3540.0),)

    decisions, _ = due(plan, memory, at(3, 30), 0)
    assert reasons(decisions) == [(Reason.MISSED, 1)]
