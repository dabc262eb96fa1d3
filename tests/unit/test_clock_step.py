"""The wall clock is set, the machine sleeps: nothing fires twice, gets lost, or waits longer or shorter for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from supervisor.core.decisions import wake
from supervisor.core.decisions.clock_step import step
from supervisor.core.history.quota import Quota
from supervisor.core.moment import Moment
from supervisor.core.pacing.cadence import Every
from supervisor.core.pacing.flow import Flowing, Held, Intensity, Paused, Probing
from supervisor.core.pacing.rest import Rest
from supervisor.core.pacing.retry import RetryPolicy
from supervisor.core.pacing.schedule import Fire, Memory, Misfire, Overlap, Schedule, Skip, due
from supervisor.daemon.steady_clock import SteadyClock

HOUR = 3600.0
STEPS = pytest.mark.parametrize("seconds", [HOUR, -HOUR])


def set_clock(house, seconds):
    """Set the wall clock, and let the core hear of it."""
    house.now = Moment(house.now.mono, house.now.wall + seconds)
    return house.take(step(house.tables, seconds))


@STEPS
def test_a_back_off_lasts_as_long_as_it_would_have(new_house, work, seconds):
    house = new_house(retry=RetryPolicy(9, 600.0, 600.0, 0.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", 1)

    set_clock(house, seconds)

    assert wake.next_wake(house.tables, house.now) == 600.0
    assert house.pass_time(599.0) == []
    assert house.pass_time(1.0) == ["a"]


@STEPS
def test_the_starts_of_a_task_within_its_window_stay_within_it(new_house, work, seconds):
    house = new_house(retry=RetryPolicy(9, 1.0, 1.0, 0.0, spawns=2, spawn_window=600.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", 1)
    set_clock(house, seconds)
    house.pass_time(10.0)

    house.end("a", 1)

    assert house.standing("a") == "parked"


@STEPS
def test_a_task_that_is_parked_stays_parked(new_house, work, seconds):
    house = new_house(retry=RetryPolicy(1, 1.0, 1.0, 0.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", 1)

    set_clock(house, seconds)

    assert house.pass_time(2 * HOUR) == []
    assert house.standing("a") == "parked"


@STEPS
def test_lanes_rests_and_quotas_move_with_the_clock(new_house, work, seconds):
    house = new_house(quotas=(Quota("q", 1, HOUR, ("sh",)),), intensity=Intensity(600.0, 5))
    tables, wall = house.tables, house.now.wall
    tables.lane_state = {
        "flowing": Flowing((wall - 5,)),
        "paused": Paused(wall - 10, wall + 100, 5),
        "probing": Probing(wall - 10, "s9", 5),
        "held": Held(wall - 10, "op", ""),
    }
    tables.resting = {"sh": Rest(1, wall + 50, "it asked"), "broken": Rest(3, None, "no program")}
    tables.starts.add("sh", wall - 60)

    set_clock(house, seconds)

    wall = house.now.wall
    assert tables.lane_state == {
        "flowing": Flowing((wall - 5,)),
        "paused": Paused(wall - 10, wall + 100, 5),
        "probing": Probing(wall - 10, "s9", 5),
        "held": Held(wall - 10, "op", ""),
    }
    assert tables.resting == {"sh": Rest(1, wall + 50, "it asked"), "broken": Rest(3, None, "no program")}
    (_, until) = tables.starts.exhausted("sh", tables.policy.quotas, wall)
    assert until == wall - 60 + HOUR


def test_the_first_reading_after_a_step_brings_the_tables_in_line(house):
    readings = [Moment(0.0, 1000.0), Moment(10.0, 1010.4), Moment(20.0, 1020.4), Moment(30.0, 1030.4 + HOUR)]
    house.tables.resting = {"sh": Rest(1, 1100.0, "it asked")}
    clock = SteadyClock(house.tables, iter(readings).__next__)
    for _ in range(2):
        clock.now()
    assert house.tables.resting["sh"].until == 1100.0  # a slewed clock has not stepped

    clock.now()

    assert house.tables.resting["sh"].until == pytest.approx(1100.0 + HOUR)
    assert clock.offset == pytest.approx(1000.4 + HOUR)


def test_a_step_between_two_supervisors_of_one_boot_is_noticed_by_the_second(house):
    house.tables.resting = {"sh": Rest(1, 1100.0, "it asked")}
    clock = SteadyClock(house.tables, lambda: Moment(0.0, 1000.0 - HOUR), offset=1000.0)
    clock.now()

    assert house.tables.resting["sh"].until == 1100.0 - HOUR


def fired(decisions):
    return [decision.slot.key for decision in decisions if isinstance(decision, Fire)]


def at(minute: float) -> datetime:
    return datetime.fromtimestamp(1_700_000_000 // 3600 * 3600 + minute * 60, UTC)


HALF_HOURLY = Schedule("half-hourly", Every(1800.0), 0.0, Overlap.ALLOW, Misfire.ONCE, 7200.0, 1)


def test_a_clock_that_steps_back_fires_no_slot_twice():
    first, memory = due(HALF_HOURLY, Memory(at(-1)), at(0.1), 0)
    stepped, memory = due(HALF_HOURLY, memory, at(-59.9), 0)
    again, memory = due(HALF_HOURLY, memory, at(0.2), 0)
    later, _ = due(HALF_HOURLY, memory, at(30.1), 0)

    assert len(fired(first)) == len(fired(later)) == 1
    assert fired(stepped) == fired(again) == []


def test_a_step_forward_and_a_suspend_make_up_for_what_they_passed_over_once_and_account_for_the_rest():
    _, memory = due(HALF_HOURLY, Memory(at(-1)), at(0.1), 0)

    decisions, memory = due(HALF_HOURLY, memory, at(95.0), 0)

    assert len(fired(decisions)) == 1
    (merged,) = [decision for decision in decisions if isinstance(decision, Skip)]
    assert (merged.count, merged.reason.value) == (2, "merged")
    assert memory.last_due == at(90)


def test_a_suspend_counts_as_elapsed(new_house, work):
    house = new_house(retry=RetryPolicy(9, 600.0, 600.0, 0.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", 1)

    assert house.pass_time(8 * HOUR) == ["a"]
    house.started("a")
    house.now = house.now.later(8 * HOUR)
    assert house.session("a").elapsed(house.now) == 8 * HOUR
