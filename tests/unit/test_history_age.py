"""From when the age of history is counted, whatever the wall clock says."""

from __future__ import annotations

from supervisor.core.history.age import Today, today
from supervisor.core.moment import Moment

DAY = 86400.0
NOW = Moment(1000.0, 1_700_000_000.0)


def later(days: float, *, stepped: float = 0.0) -> Moment:
    return Moment(NOW.mono + days * DAY, NOW.wall + days * DAY + stepped)


def test_age_is_counted_from_now() -> None:
    before = Today(NOW.wall, NOW.mono, "boot").as_json()

    assert today(before, later(1), "boot", 90 * DAY).wall == later(1).wall


def test_a_wall_clock_that_is_years_ahead_makes_nothing_old() -> None:
    before = Today(NOW.wall, NOW.mono, "boot").as_json()

    assert today(before, later(1, stepped=3650 * DAY), "boot", 90 * DAY).wall == NOW.wall + 2 * DAY
    assert today(before, Moment(3.0, NOW.wall + 3650 * DAY), "another", 90 * DAY).wall == NOW.wall + DAY


def test_a_wall_clock_that_was_set_right_again_is_believed() -> None:
    before = Today(NOW.wall, NOW.mono, "boot").as_json()

    assert today(before, later(1, stepped=-30 * DAY), "boot", 90 * DAY).wall == NOW.wall - 29 * DAY


def test_restarts_in_quick_succession_do_not_make_time_pass() -> None:
    at = today(Today(NOW.wall, NOW.mono, "boot").as_json(), NOW, "boot", 90 * DAY)
    for _ in range(1000):
        at = today(at.as_json(), later(0, stepped=3650 * DAY), "boot", 90 * DAY)

    assert at.wall == NOW.wall


def test_what_was_off_for_long_catches_up() -> None:
    at = Today(NOW.wall, 5.0, "old boot")
    for day in range(100):
        at = today(at.as_json(), later(60 + day), "boot", 90 * DAY)

    assert at.wall == later(159).wall


def test_without_a_record_nothing_is_too_old_yet_and_in_time_it_is() -> None:
    at = today(None, NOW, "boot", 90 * DAY)
    assert at.wall == NOW.wall - 90 * DAY
    for day in range(1, 100):
        at = today(at.as_json(), later(day), "boot", 90 * DAY)

    assert at.wall == later(99).wall
    assert today({"wall": "x"}, NOW, "boot", 90 * DAY).wall == NOW.wall - 90 * DAY
