"""The life of a session: every state answers every event."""

from __future__ import annotations

import itertools

import pytest

from supervisor.core.moment import Moment
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import (
    BeginSettling,
    Close,
    Ended,
    HarnessPaused,
    HarnessResumed,
    HarnessStarted,
    Kill,
    Life,
    Paused,
    ProcessId,
    Run,
    Running,
    Settled,
    Settling,
    Starting,
    Stop,
    StopBegan,
    Stopping,
    TellWorker,
    TreeLives,
    Unkillable,
    Wanted,
    WorkerEnded,
    WorkerLost,
    step,
)
from supervisor.core.sessions.outcome import Ending, Outcome

NOW = Moment(10.0, 20.0)
WORKER, HARNESS = ProcessId(1, 1), ProcessId(2, 2)
ENDING = Ending(Outcome.FINISHED, "done")
STOP = Stop("stop", "op", "why")
KILL = Kill("op", "why")
STATES = [
    Starting(NOW),
    Running(NOW, WORKER, HARNESS),
    Paused(NOW, WORKER, HARNESS, "op", "lunch"),
    Stopping(NOW, WORKER, "stop", ""),
    Unkillable(NOW, ("pid 7 (x, state D, wchan y)",)),
    Settling(NOW, "lost"),
    Ended(NOW, ENDING),
]
EVENTS = [
    Wanted(STOP),
    Wanted(KILL),
    Wanted(Run()),
    HarnessStarted(WORKER, HARNESS),
    HarnessPaused("op", "tea"),
    HarnessResumed(),
    StopBegan("budget", "over"),
    WorkerEnded(ExitRecord("exited", code=0)),
    WorkerLost("gone"),
    TreeLives(("pid 7 (x, state D, wchan y)",)),
    TreeLives(("pid 8 (z, state D, wchan y)",)),
    Settled(ENDING),
]
ORDER = {Starting: 0, Running: 1, Paused: 1, Stopping: 2, Unkillable: 3, Settling: 4, Ended: 5}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_state_answers_every_event_and_no_life_goes_back(state, event):
    after, effects = step(Life(state), event, NOW)

    assert ORDER[type(after.state)] >= ORDER[type(state)]
    if isinstance(state, Ended):
        assert (after, effects) == (Life(state), ())


def test_a_session_runs_to_its_end():
    life = Life(Starting(NOW))
    life, effects = step(life, HarnessStarted(WORKER, HARNESS), NOW)
    assert effects == ()
    life, effects = step(life, WorkerEnded(ExitRecord("exited", code=0)), NOW)
    assert effects == (BeginSettling(),)
    life, effects = step(life, Settled(ENDING), NOW)
    assert effects == (Close(ENDING),)
    assert life.state == Ended(NOW, ENDING)


def test_a_stop_wanted_before_the_start_is_carried_out_once_there_is_a_worker():
    life, effects = step(Life(Starting(NOW)), Wanted(STOP), NOW)
    assert effects == ()

    life, effects = step(life, HarnessStarted(WORKER, HARNESS), NOW)

    assert effects == (TellWorker(STOP),)
    assert isinstance(life.state, Running)


def test_a_kill_outranks_a_stop_and_is_not_taken_back():
    life, effects = step(Life(Running(NOW, WORKER, HARNESS)), Wanted(STOP), NOW)
    assert effects == (TellWorker(STOP),)
    life, effects = step(life, Wanted(KILL), NOW)
    assert effects == (TellWorker(KILL),)

    life, effects = step(life, Wanted(STOP), NOW)

    assert effects == ()
    assert life.wish == KILL


def test_promise_4_leases_end_only_after_settling():
    life, effects = step(Life(Running(NOW, WORKER, HARNESS)), WorkerLost("killed"), NOW)

    assert isinstance(life.state, Settling)
    assert not any(isinstance(effect, Close) for effect in effects)


def test_a_session_is_paused_and_goes_on_when_its_worker_says_so():
    life = Life(Running(NOW, WORKER, HARNESS))
    life, effects = step(life, HarnessPaused("op", "lunch"), NOW)
    assert (life.state, effects) == (Paused(NOW, WORKER, HARNESS, "op", "lunch"), ())
    life, _ = step(life, HarnessPaused("other", "tea"), NOW)
    assert life.state == Paused(NOW, WORKER, HARNESS, "op", "lunch")

    life, effects = step(life, HarnessResumed(), NOW)

    assert (life.state, effects) == (Running(NOW, WORKER, HARNESS), ())


def test_a_paused_session_is_stopped_like_a_running_one():
    life = Life(Paused(NOW, WORKER, HARNESS, "op", "lunch"))
    life, effects = step(life, Wanted(STOP), NOW)
    assert effects == (TellWorker(STOP),)

    life, _ = step(life, StopBegan("stop", "why"), NOW)

    assert isinstance(life.state, Stopping)


def test_a_tree_that_does_not_die_keeps_the_session_from_settling_until_it_does():
    life = Life(Running(NOW, WORKER, HARNESS))

    stuck, effects = step(life, TreeLives(("pid 7 (x, state D, wchan y)",)), NOW)
    same, _ = step(stuck, TreeLives(("pid 7 (x, state D, wchan y)",)), NOW.later(5))
    settled, gone = step(same, WorkerLost("killed"), NOW.later(10))

    assert stuck.state == Unkillable(NOW, ("pid 7 (x, state D, wchan y)",))
    assert effects == ()
    assert same is stuck
    assert isinstance(settled.state, Settling)
    assert gone == (BeginSettling(),)


def test_how_long_a_start_took_is_told_by_the_supervisor_that_made_it_and_by_no_later_one(house, work):
    house.offer(work("a"), work("b"))
    house.fill()
    house.pass_time(2.0)
    house.started("a")
    house.session("b").life = Life(Starting(house.now))
    house.pass_time(60.0)
    house.started("b")

    fresh, found = house.notes("session.running")
    assert fresh.data["start_delay"] == 2.0
    assert "start_delay" not in found.data
