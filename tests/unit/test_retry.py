from __future__ import annotations

from collections.abc import Sequence

import pytest

from supervisor.core.pacing.flow import (
    Ended,
    Flowing,
    Held,
    Hold,
    Intensity,
    Lane,
    LaneEvent,
    MustWait,
    Notice,
    Paused,
    Probing,
    Resume,
    Started,
    admit,
    step,
)
from supervisor.core.pacing.retry import (
    Park,
    RetryPolicy,
    TryAgain,
    Weight,
    after_failure,
    backoff,
    unit_hash,
    weigh,
)
from supervisor.core.sessions.outcome import Outcome

POLICY = Intensity(window=600.0, limit=3)
NEUTRAL = [Outcome.RATE_LIMITED, Outcome.STOPPED, Outcome.KILLED, Outcome.PREEMPTED]


def play(lane: Lane, events: Sequence[tuple[float, LaneEvent]]) -> tuple[Lane, list[Notice]]:
    notices = []
    for at, event in events:
        lane, notice = step(lane, event, POLICY, at)
        if notice is not None:
            notices.append(notice)
    return lane, notices


def failures(*instants: float) -> list[tuple[float, LaneEvent]]:
    return [(at, Ended(f"s-{at}", Outcome.FAILED)) for at in instants]


def paused() -> Lane:
    lane, _ = play(Flowing(), failures(0, 1, 2))
    assert isinstance(lane, Paused)
    return lane


# --- back-off -----------------------------------------------------------------------------------------


def test_the_delay_doubles_up_to_its_cap() -> None:
    assert [backoff(n, 30, 200, 0, "t") for n in range(1, 6)] == [30, 60, 120, 200, 200]


def test_jitter_takes_off_at_most_its_share() -> None:
    delays = [backoff(9, 30, 200, 0.25, f"seed {n}") for n in range(200)]

    assert max(delays) <= 200
    assert min(delays) > 150
    assert len(set(delays)) == len(delays)


def test_a_thousandth_attempt_still_has_a_delay() -> None:
    assert backoff(5_000, 30, 1800, 0, "t") == 1800


def test_attempt_zero_does_not_exist() -> None:
    with pytest.raises(ValueError, match="number 1"):
        backoff(0, 30, 200, 0, "t")


def test_jitter_is_the_same_in_every_process_and_release() -> None:
    assert unit_hash("a task") == 0.13424252697889116


# --- a task -------------------------------------------------------------------------------------------

TASK = RetryPolicy(attempts=3, base=30, cap=1800, jitter_share=0)


def test_a_task_is_tried_again_until_its_attempts_are_used_up() -> None:
    assert [after_failure("t", n, TASK) for n in (1, 2, 3)] == [TryAgain(30), TryAgain(60), Park(3)]


def test_a_task_that_used_more_than_its_attempts_is_parked() -> None:
    assert after_failure("t", 7, TASK) == Park(7)


def test_a_parking_is_told_in_a_sentence() -> None:
    assert (
        Park(3).sentence()
        == "parked: it failed 3 times in a row; `leasehold task retry` gives it new attempts"
    )


@pytest.mark.parametrize("outcome", NEUTRAL)
def test_what_others_did_to_a_session_is_not_held_against_it(outcome: Outcome) -> None:
    assert weigh(outcome) is Weight.NEUTRAL


def test_every_outcome_has_a_weight() -> None:
    assert {weigh(outcome) for outcome in Outcome} == set(Weight)


# --- a lane -------------------------------------------------------------------------------------------


def test_failures_within_the_window_pause_the_lane_and_it_is_said_once() -> None:
    lane, notices = play(Flowing(), failures(0, 10, 20, 30, 40, 50))

    assert lane == Paused(since=20, until=620, failures=3)
    assert notices == [Notice.PAUSED]


def test_failures_further_apart_than_the_window_do_not_pause_the_lane() -> None:
    lane, notices = play(Flowing(), failures(0, 300, 600, 900, 1200))

    assert lane == Flowing((900, 1200))
    assert notices == []


@pytest.mark.parametrize("outcome", [*NEUTRAL, Outcome.NO_CHANGE, Outcome.FINISHED])
def test_endings_that_are_no_failure_never_pause_a_lane(outcome: Outcome) -> None:
    lane, notices = play(Flowing(), [(at, Ended("s", outcome)) for at in range(20)])

    assert lane == Flowing()
    assert notices == []


def test_a_paused_lane_refuses_until_its_window_has_passed() -> None:
    refused = admit("docs", paused(), 300)

    assert isinstance(refused, MustWait)
    assert refused.until == 602
    assert refused.why == 'lane "docs" is paused after 3 failures; one try in 5m02s'
    assert admit("docs", paused(), 602) is None


def test_only_one_session_probes() -> None:
    lane, _ = play(paused(), [(700, Started("canary"))])

    assert lane == Probing(since=2, session="canary", failures=3)
    assert admit("docs", lane, 800) == MustWait(
        None, 'lane "docs" is paused; canary tries whether it works again'
    )


@pytest.mark.parametrize("outcome", [Outcome.FINISHED, Outcome.NO_CHANGE])
def test_a_canary_that_works_resumes_the_lane(outcome: Outcome) -> None:
    lane, notices = play(paused(), [(700, Started("canary")), (800, Ended("canary", outcome))])

    assert lane == Flowing()
    assert notices == [Notice.RESUMED]
    assert admit("docs", lane, 800) is None


def test_a_canary_that_fails_pauses_the_lane_for_another_window() -> None:
    lane, notices = play(paused(), [(700, Started("canary")), (800, Ended("canary", Outcome.LOST))])

    assert lane == Paused(since=2, until=1400, failures=4)
    assert notices == [Notice.CANARY_FAILED]


def test_a_rate_limited_canary_proves_nothing_and_the_next_session_probes() -> None:
    lane, notices = play(paused(), [(700, Started("canary")), (800, Ended("canary", Outcome.RATE_LIMITED))])

    assert notices == []
    assert admit("docs", lane, 800) is None


def test_sessions_from_before_the_pause_tell_no_news() -> None:
    lane, notices = play(
        paused(),
        [
            (3, Ended("old", Outcome.FINISHED)),
            (4, Started("late report")),
            (700, Started("canary")),
            (701, Ended("old", Outcome.FAILED)),
        ],
    )

    assert lane == Probing(since=2, session="canary", failures=3)
    assert notices == []


@pytest.mark.parametrize(
    "lane",
    [Flowing((1.0,)), Paused(0, 600, 3), Probing(0, "canary", 3)],
    ids=lambda lane: type(lane).__name__,
)
def test_an_operator_holds_and_resumes_a_lane_in_any_state(lane: Lane) -> None:
    held, notices = play(lane, [(5, Hold("ana", "budget")), (6, Hold("ben", "")), *failures(7, 8, 9)])

    assert held == Held(5, "ana", "budget")
    assert notices == [Notice.HELD]
    assert admit("docs", held, 10_000) == MustWait(
        None, 'lane "docs" is paused by ana (budget); `leasehold resume --lane docs` ends it'
    )
    assert play(held, [(10, Resume("ana")), (11, Resume("ana"))]) == (Flowing(), [Notice.RESUMED])
