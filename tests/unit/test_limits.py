"""What keeps a fleet from running away: the cap on a task's starts, failures over all lanes, room on the disks."""

from __future__ import annotations

import pytest

from supervisor.core.decisions import assign, orders, wake
from supervisor.core.decisions.admission import Draining
from supervisor.core.decisions.policy import Harness, Planned
from supervisor.core.decisions.standstill import standstill
from supervisor.core.decisions.tables import SlotRequest
from supervisor.core.pacing.cadence import Every
from supervisor.core.pacing.flow import Flowing, Intensity, Paused
from supervisor.core.pacing.rest import Rest, Trouble, asked_for, held_up, not_started
from supervisor.core.pacing.retry import RetryPolicy
from supervisor.core.pacing.schedule import Misfire, Overlap, Schedule
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import Settled, WorkerEnded
from supervisor.core.sessions.outcome import Outcome, judge
from supervisor.core.sessions.remains import Remains
from supervisor.core.tasks.standing import LastRun, Parked, Track
from supervisor.core.tasks.task import Expects

RETRY = RetryPolicy(attempts=99, base=10.0, cap=10.0, jitter_share=0.0, spawns=3, spawn_window=3600.0)


def run(house, key, code=0, **how):
    """Let the session of a task start and end; return what started thereby."""
    house.started(key)
    return house.end(key, code, **how)


# --- the cap on starts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [{"cause": "preempt"}, {"code": 75}, {"code": 0}, {"code": 1}])
def test_a_task_that_is_started_again_and_again_is_parked_whatever_came_of_it(new_house, work, ending):
    house = new_house(retry=RETRY)
    house.offer(work("a", "a"))
    house.fill()
    for _ in range(3):
        run(house, "a", **ending)
        house.pass_time(11.0)

    assert house.standing("a") == "parked"
    (note,) = house.notes("task.parked")
    assert "it was started 3 times within 1h00m, whatever came of it" in note.data["why"]
    assert house.take(orders.retry(house.tables, "a", "op", house.now)) == ["a"]
    assert house.tables.backlog.track("a").starts == (house.now.wall,)


def test_starts_that_are_spread_over_more_than_the_window_park_nothing(new_house, work):
    house = new_house(retry=RETRY)
    house.offer(work("a", "a"))
    house.fill()
    for _ in range(12):
        run(house, "a", cause="preempt") or house.pass_time(0)
        house.pass_time(1800.0)

    assert house.standing("a") != "parked"


def test_a_task_that_was_done_at_its_last_start_is_done(new_house, work):
    house = new_house(retry=RETRY)
    house.offer(work("a", "a"))
    house.fill()
    run(house, "a", cause="preempt")
    run(house, "a", cause="preempt")
    run(house, "a", commits=["c1"])

    assert house.standing("a") == "done"


def test_the_starts_of_a_task_survive_in_its_record():
    track = Track(Parked("why", 1.0), attempts=2, starts=(1.0, 2.5))

    assert Track.from_json(track.as_json()) == track
    assert Track.from_json({"standing": "ready"}).starts == ()


# --- failures over all lanes ----------------------------------------------------------------------------


def failing(new_house, work):
    """Return a house in which the third failure, each of another lane, has just been counted."""
    house = new_house(overall=Intensity(600.0, 3), retry=RETRY)
    house.offer(*[work(key, key, lane=key) for key in "abcde"])
    house.fill()
    for key in "abc":
        run(house, key, 1)
    return house


def test_failures_of_many_lanes_pause_all_and_that_is_said_once(new_house, work):
    house = failing(new_house, work)
    run(house, "d", 1)

    assert len(house.notes("intensity.paused")) == 1
    assert (
        house.notes("intensity.paused")[0].data["why"]
        == "all lanes are paused after 3 failures; one try in 10m"
    )
    assert house.notes("lane.paused") == []
    assert house.pass_time(599.0) == []
    assert standstill(house.tables, house.now) == "all lanes are paused after 3 failures; one try in 1s"


def test_after_the_window_one_session_tries_and_its_success_lets_all_go_on(new_house, work):
    house = failing(new_house, work)
    run(house, "e", cause="stop")
    run(house, "d", cause="stop")

    (canary,) = house.pass_time(600.0)
    assert house.pass_time(100.0) == []
    run(house, canary, commits=["c1"])

    assert isinstance(house.tables.all_lanes, Flowing)
    assert len(house.notes("intensity.resumed")) == 1
    assert len(house.tables.roster) == 2


def test_a_canary_that_fails_pauses_all_for_another_window(new_house, work):
    house = failing(new_house, work)
    run(house, "e", cause="stop")
    run(house, "d", cause="stop")
    (canary,) = house.pass_time(600.0)

    assert run(house, canary, 1) == []
    assert isinstance(house.tables.all_lanes, Paused)
    assert len(house.notes("intensity.canary_failed")) == 1
    assert wake.next_wake(house.tables, house.now) == pytest.approx(10.0)  # the back-off of the canary's task


def test_resume_lets_all_lanes_go_on_at_once(new_house, work):
    house = failing(new_house, work)
    run(house, "e", cause="stop")

    started = house.take(orders.resume(house.tables, "op", house.now))

    assert started == []  # all others back off still, or run
    assert house.pass_time(10.0) == ["a", "b", "c"]


# --- room on the disks ----------------------------------------------------------------------------------


def test_nothing_starts_without_room_and_that_is_said_once(house, work):
    house.tables.room = lambda _was_short: "/ has 1MiB free"
    house.offer(work("a", "a"))

    assert house.fill() == []
    assert house.pass_time(30.0) == []
    assert [note.data["why"] for note in house.notes("disk.low")] == ["/ has 1MiB free"]
    assert standstill(house.tables, house.now) == "/ has 1MiB free"
    answer = assign.launch(house.tables, "a", "", house.now)
    assert answer == assign.NotAssigned("/ has 1MiB free")


def test_starts_go_on_once_there_is_room_and_more_is_wanted_then(house, work):
    free = [10]
    house.tables.room = lambda was_short: "" if free[0] >= (22 if was_short else 20) else "full"
    house.offer(work("a", "a"))
    house.fill()
    free[0] = 21
    assert house.pass_time(30.0) == []
    free[0] = 22

    assert house.pass_time(30.0) == ["a"]
    assert house.notes("disk.freed")[0].data == {"was": "full", "lasted": 60.0}
    assert house.tables.shortage is None


def test_room_is_looked_for_only_while_something_could_run(house, work):
    house.tables.room = lambda _was_short: "full"
    house.offer(work("a", "a"))
    house.fill()
    assert wake.next_wake(house.tables, house.now) == 30.0

    house.take(orders.hold(house.tables, "a", "op", "", house.now))
    house.pass_time(30.0)
    assert wake.next_wake(house.tables, house.now) is None

    house.take(orders.release(house.tables, "a", "op", house.now))
    assert wake.next_wake(house.tables, house.now) == 30.0
    house.take(orders.admit(house.tables, Draining("op", 0.0), "op", house.now))
    assert wake.next_wake(house.tables, house.now) is None


def test_a_slot_of_a_schedule_waits_for_room(house, work):
    house.tables.room = lambda _was_short: "full"
    house.tables.slot_requests.append(SlotRequest("nightly", 0.0, 1))
    house.offer(work("a", "a"))
    house.fill()
    house.tables.room = lambda _was_short: ""

    assert house.pass_time(30.0) == ["a"]
    assert house.tables.slot_requests == []
    assert house.session("a").intent.schedule == "nightly"


# --- starts that came to nothing ------------------------------------------------------------------------


def test_a_slot_whose_session_never_began_waits_again(new_house, work):
    schedule = Schedule("nightly", Every(3600.0), 0.0, Overlap.SKIP, Misfire.SKIP, 60.0, 1)
    house = new_house(pool=False, schedules=(Planned(schedule),))
    house.tables.slot_requests.append(SlotRequest("nightly", 0.0, 1))
    house.offer(work("a", "a"))
    house.fill()

    assert house.end("a", cause="abandoned") == ["a"]
    assert house.session("a").intent.schedule == "nightly"


def test_sessions_that_started_before_a_rest_make_it_no_longer():
    policy = RetryPolicy(3, 30.0, 1800.0, 0.0)
    first = asked_for(None, policy, "s", 1000.0)

    assert first == Rest(1, 1030.0, "it asked to be tried later", trouble=Trouble.ACCOUNT, since=1000.0)
    assert asked_for(first, policy, "s", 1010.0) is first
    assert asked_for(first, policy, "s", 1030.0).until == 1090.0
    assert not_started(first, policy, "gone", "s", 1010.0) is first


def test_a_host_without_means_is_tried_for_ever_but_a_missing_program_is_not():
    policy = RetryPolicy(2, 30.0, 60.0, 0.0)
    first = held_up(None, policy, "no descriptors", "s", 0.0)

    assert not_started(first, policy, "no program", "s", 100.0) == Rest(2, None, "no program", since=0.0)
    assert held_up(Rest(99, 0.0, ""), policy, "no descriptors", "s", 100.0).until == 160.0


def test_two_sessions_that_the_host_could_not_start_are_one_rest(new_house, work):
    budget = Budget(wall=100.0, warn=10.0, grace=1.0)
    house = new_house(retry=RETRY, harnesses={"sh": Harness("sh", budget)})
    house.offer(work("a", "a"), work("b", "b"))
    house.fill()

    house.end("a", cause="unlaunched")
    house.end("b", cause="unlaunched")

    assert len(house.notes("harness.resting")) == 1
    assert house.tables.resting["sh"].until == house.now.wall + 10.0
    assert house.pass_time(10.0) == ["a"]  # the canary
    assert house.tables.backlog.track("a").attempts == 0


def test_a_start_that_came_to_nothing_leaves_what_the_last_session_left(house, work):
    house.offer(work("a", "a"))
    house.tables.backlog.put(
        "a", Track(last=LastRun("s0", Outcome.TIMED_OUT, "why", 1.0, dirty=("a",), salvages=("s0",)))
    )
    house.fill()
    house.end("a", cause="unlaunched")

    last = house.tables.backlog.track("a").last
    assert (last.outcome, last.dirty, last.salvages) == (Outcome.UNSPAWNED, ("a",), ("s0",))


@pytest.mark.parametrize(
    ("record", "standing"),
    [
        ({"cause": "shutdown", "by": "SIGTERM"}, "ready"),
        ({"cause": "stop", "by": "service manager"}, "ready"),
        ({"cause": "stop", "by": "operator"}, "held"),
        ({"cause": "kill", "by": "operator"}, "held"),
    ],
)
def test_a_task_is_held_by_who_stopped_its_session_but_not_by_a_shutdown(house, work, record, standing):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.tables.admission = Draining("op", 0.0)
    house.news("a", WorkerEnded(ExitRecord(code=-15, **record)))
    house.news("a", Settled(judge(ExitRecord(code=-15, **record), Remains(), Expects.COMMIT)))

    assert house.standing("a") == standing
    assert house.tables.backlog.track("a").last.outcome.value in {"stopped", "killed"}
