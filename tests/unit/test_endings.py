"""What becomes of a task and its lane when a session ends."""

from __future__ import annotations

import pytest

from supervisor.core.decisions.admission import Closing
from supervisor.core.decisions.policy import Harness
from supervisor.core.decisions.selection import Fit, explain
from supervisor.core.pacing import flow, retry
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import Kill, Run, Settled, Stop, Wanted, WorkerLost
from supervisor.core.sessions.outcome import Outcome, judge, judge_lost
from supervisor.core.sessions.remains import Landed, Remains
from supervisor.core.tasks.standing import Cooling, Held, Parked, Track
from supervisor.core.tasks.task import Expects

BUDGET = Budget(wall=3000.0, warn=300.0, grace=10.0)
COMMIT = Landed("abcdef123456", "Fix it", 0.0)


@pytest.mark.parametrize(
    ("record", "remains", "outcome"),
    [
        (ExitRecord("exited", code=0), Remains((COMMIT,)), Outcome.FINISHED),
        (ExitRecord("exited", code=0), Remains(), Outcome.NO_CHANGE),
        (ExitRecord("exited", code=3), Remains((COMMIT,)), Outcome.FAILED),
        (ExitRecord("exited", signal=11), Remains(), Outcome.FAILED),
        (ExitRecord("exited", code=75), Remains(), Outcome.RATE_LIMITED),
        (ExitRecord("budget", signal=15), Remains(), Outcome.TIMED_OUT),
        (ExitRecord("startup", signal=15), Remains(), Outcome.STALLED),
        (ExitRecord("stall", signal=15), Remains(), Outcome.STALLED),
        (ExitRecord("resident", signal=15), Remains((COMMIT,)), Outcome.FINISHED),
        (ExitRecord("stop", signal=15), Remains(), Outcome.STOPPED),
        (ExitRecord("kill", signal=9), Remains(), Outcome.KILLED),
        (ExitRecord("preempt", signal=15), Remains(), Outcome.PREEMPTED),
        (ExitRecord("unspawned", why="no such program"), Remains(), Outcome.UNSPAWNED),
    ],
)
def test_promise_11_every_ending_has_a_name_and_a_sentence(record, remains, outcome):
    ending = judge(record, remains, Expects.COMMIT)

    assert ending.outcome is outcome
    assert len(ending.sentence) > 10
    assert "None" not in ending.sentence


def test_a_task_that_expects_nothing_is_finished_without_a_commit():
    assert judge(ExitRecord("exited", code=0), Remains(), Expects.NOTHING).outcome is Outcome.FINISHED


def test_the_sentence_tells_of_leaks_and_of_what_was_left():
    record = ExitRecord("exited", code=0, elapsed=61.0, leaked=({"pid": 7},))

    sentence = judge(record, Remains((COMMIT,), ("a.py",)), Expects.COMMIT).sentence

    assert sentence == (
        "exited with code 0 after 1m01s; 1 commit landed (abcdef1234); "
        "uncommitted changes left in a.py; 1 leaked process swept"
    )


def test_the_sentence_tells_what_the_limits_of_the_session_did():
    record = ExitRecord("exited", code=2, elapsed=1.0, limits={"oom_kills": 1, "refused_forks": 3})

    assert judge(record, Remains(), Expects.COMMIT).sentence == (
        "exited with code 2 after 1s; nothing was committed; "
        "1 of its processes killed by the kernel for want of memory; "
        "a new process refused by the kernel 3 times"
    )


def test_a_lost_session_says_why():
    assert judge_lost("its worker was killed", Remains()).sentence == "lost: its worker was killed"


def test_a_finished_task_is_done_and_stays_done(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", commits=["c"])

    assert house.standing("a") == "done"
    assert house.fill() == []


def test_a_failed_task_backs_off_then_runs_then_is_parked(house, work):
    house.offer(work("a", "a"))
    house.fill()
    for attempt in (1, 2):
        house.started("a")
        house.end("a", 1)
        track = house.tables.backlog.track("a")
        assert isinstance(track.standing, Cooling)
        assert track.attempts == attempt
        assert house.pass_time(3600) == ["a"]
    house.started("a")
    house.end("a", 1)

    standing = house.tables.backlog.track("a").standing
    assert isinstance(standing, Parked)
    assert "3 times in a row" in standing.why
    assert house.notes("task.parked")


@pytest.mark.parametrize("cause", ["stop", "kill"])
def test_an_operators_stop_is_not_undone_by_a_retry(house, work, cause):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", cause=cause)

    assert isinstance(house.tables.backlog.track("a").standing, Held)
    assert house.pass_time(7200) == []


def test_a_preempted_task_costs_no_attempt_and_does_not_overtake_what_it_gave_way_to(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")

    assert house.end("a", cause="preempt") == ["a"]
    assert house.tables.backlog.tier("a") == 2
    assert house.tables.backlog.track("a").attempts == 0


def test_a_rate_limit_rests_the_harness_and_costs_no_attempt(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.end("a", 75)

    assert house.tables.backlog.track("a").attempts == 0
    assert house.fill() == []
    assert house.pass_time(60) == ["a"]


def test_a_harness_that_cannot_be_started_rests_longer_each_time_and_then_until_it_is_mended(house, work):
    house.offer(work("a", "a"))
    house.fill()
    waits = []
    for _ in range(2):
        house.end("a", cause="unspawned")
        (rest,) = house.tables.resting.values()
        waits.append(rest.until - house.now.wall)
        assert house.fill() == []
        assert house.pass_time(waits[-1] + 1) == ["a"]
    house.end("a", cause="unspawned")

    assert waits[1] > waits[0]
    skip = explain(house.tables, house.tables.backlog.work("a"), house.now)
    assert not isinstance(skip, Fit)
    assert "could not be started" in skip.sentence
    assert skip.until is None
    assert house.pass_time(86400) == []
    assert house.tables.backlog.track("a").attempts == 0


def test_a_broken_harness_does_not_hold_up_tasks_of_another(new_house, work):
    house = new_house(
        harnesses={"bad": Harness("bad", BUDGET), "good": Harness("good", BUDGET)}, max_sessions=1
    )
    house.offer(work("a", "a"))
    house.fill()
    assert house.session("a").intent.harness == "bad"

    assert house.end("a", cause="unspawned") == ["a"]
    assert house.session("a").intent.harness == "good"


def test_a_lane_that_keeps_failing_pauses_once_and_a_canary_opens_it(new_house, work):
    house = new_house(max_sessions=1, intensity=flow.Intensity(600.0, 2))
    house.offer(*(work(f"t{n}", f"f{n}", lane="ci") for n in range(4)), work("z-other", "o", lane="docs"))
    house.fill()
    for key in ("t0", "t1"):
        house.started(key)
        house.end(key, 1)

    assert len(house.notes("lane.paused")) == 1
    assert [session.key for session in house.tables.roster] == ["z-other"]
    house.started("z-other")
    house.end("z-other", commits=["c"])
    (canary,) = house.pass_time(601)
    house.started(canary)
    house.end(canary, commits=["c"])
    assert len(house.notes("lane.resumed")) == 1


def test_the_end_of_a_session_is_one_event_with_everything_in_it(house, work):
    house.offer(work("a", "a", lane="ci"))
    house.fill()
    house.started("a")
    house.end("a", commits=["c"])

    (note,) = house.notes("session.ended")
    assert note.data["outcome"] == "finished"
    assert note.data["lane"] == "ci"
    assert note.data["released"] == ["a"]
    assert note.data["task_standing"] == "done"


@pytest.mark.parametrize(
    ("wish", "standing"),
    [
        (Stop("stop", "ann", "enough"), "held"),
        (Kill("ann", "enough"), "held"),
        (Stop("shutdown", "SIGTERM", "the supervisor is stopping"), "ready"),
        (Kill("SIGTERM", "the supervisor is ending", "shutdown"), "ready"),
        (Stop("stall", "supervisor", "no progress"), "cooling"),
        (Run(), "cooling"),
    ],
)
def test_a_session_whose_worker_dies_over_a_stop_leaves_its_task_as_that_stop_would(
    house, work, wish, standing
):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.news("a", Wanted(wish))
    house.news("a", WorkerLost("its worker was killed"))
    house.tables.admission = Closing("a test", house.now.wall)

    house.news("a", Settled(judge_lost("its worker was killed", Remains())))

    assert house.standing("a") == standing


def test_a_task_whose_session_was_told_to_end_before_it_began_is_not_started_again(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.news("a", Wanted(Stop("stop", "ann", "enough")))

    assert house.end("a", cause="unspawned") == []
    assert house.standing("a") == "held"


@pytest.mark.parametrize(
    ("ends", "goes_on"),
    [
        (["budget"], "s1"),
        (["budget", "unlaunched"], "s1"),
        (["budget", "unlaunched", "abandoned"], "s1"),
        (["budget", "unlaunched", "stall"], "s3"),
        (["budget", "exited"], ""),
        (["unlaunched"], ""),
    ],
)
def test_what_was_interrupted_goes_on_also_after_a_start_that_failed(new_house, work, ends, goes_on):
    house = new_house(retry=retry.RetryPolicy(9, 1.0, 1.0, 0.0))
    house.offer(work("a", "a"))
    house.fill()
    for cause in ends:
        house.end("a", 1, cause=cause)
        house.pass_time(5.0)

    track = house.tables.backlog.track("a")
    assert track.last.goes_on == goes_on
    assert Track.from_json(track.as_json()) == track
