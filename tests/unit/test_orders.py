"""Operators' orders, re-ranking and preemption."""

from __future__ import annotations

import pytest

from supervisor.core.decisions import orders
from supervisor.core.decisions.admission import Draining, Open, Paused
from supervisor.core.decisions.effects import Tell
from supervisor.core.decisions.policy import Preempt, Selection
from supervisor.core.sessions.lifecycle import Kill, Stop


def test_a_held_task_waits_for_its_release(house, work):
    house.offer(work("a", "a"))
    house.take(orders.hold(house.tables, "a", "op", "not yet", house.now))
    assert house.fill() == []

    assert house.take(orders.release(house.tables, "a", "op", house.now)) == ["a"]


def test_a_running_task_is_not_held_but_says_how(house, work):
    house.offer(work("a", "a"))
    house.fill()

    answer = orders.hold(house.tables, "a", "op", "", house.now)

    assert answer == orders.NotDone("a is with session s1; stop that session, and it is held")


def test_a_cancelled_task_blocks_what_requires_it_by_name(house, work):
    house.offer(work("a", "a"), work("b", "b", requires=("a",)))
    house.take(orders.cancel(house.tables, "a", "op", house.now))

    assert house.tables.backlog.blockers("b") == ('requires "a", which was cancelled',)


def test_retry_gives_a_parked_task_fresh_attempts(house, work):
    house.offer(work("a", "a"))
    for _ in range(3):
        house.fill()
        house.started("a")
        house.end("a", 1)
        house.now = house.now.later(7200)
        house.pass_time(1)
        if house.tables.roster.of_task("a") is None:
            break
    assert house.standing("a") == "parked"

    assert house.take(orders.retry(house.tables, "a", "op", house.now)) == ["a"]
    assert house.tables.backlog.track("a").attempts == 0


def test_a_priority_override_outranks_the_source_and_can_be_taken_back(new_house, work):
    house = new_house(max_sessions=0)
    house.offer(work("a", "a", priority=1), work("b", "b"))

    house.take(orders.set_priority(house.tables, "b", 9, "op", house.now))
    assert [w.task.key for w in house.tables.backlog.ranked()] == ["b", "a"]

    house.take(orders.set_priority(house.tables, "b", None, "op", house.now))
    assert [w.task.key for w in house.tables.backlog.ranked()] == ["a", "b"]


def test_a_stop_is_passed_to_the_worker_and_an_ended_session_says_so(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    stop = Stop("stop", "op", "enough")
    house.take(orders.wish(house.tables, "s1", stop, house.now))
    assert Tell("s1", stop) in house.effects
    house.end("a", cause="stop")

    answer = orders.wish(house.tables, "s1", Kill("op", "again"), house.now)

    assert isinstance(answer, orders.NotDone)
    assert "has ended" in answer.why


def test_resume_fills_the_slots_at_once(house, work):
    house.offer(work("a", "a"))
    house.take(orders.admit(house.tables, Paused("op", "", 0.0), "op", house.now))

    assert house.take(orders.admit(house.tables, Open(), "op", house.now)) == ["a"]


def test_draining_is_toggled(house):
    house.take(orders.toggle_drain(house.tables, "SIGUSR2", house.now))
    assert isinstance(house.tables.admission, Draining)
    house.take(orders.toggle_drain(house.tables, "SIGUSR2", house.now))
    assert isinstance(house.tables.admission, Open)


@pytest.mark.parametrize("preempt", list(Preempt))
def test_reprioritize_preempts_by_policy_what_the_ranking_no_longer_justifies(new_house, work, preempt):
    house = new_house(max_sessions=1, selection=Selection(preempt=preempt, min_runtime=60.0))
    house.offer(work("low", "a"), work("high", "b", priority=-1))
    house.fill()
    house.started("low")
    house.now = house.now.later(120)
    house.offer(work("low", "a"), work("high", "b", priority=5))

    house.take(orders.reprioritize(house.tables, "SIGUSR1", house.now))

    told = [effect for effect in house.effects if isinstance(effect, Tell)]
    session = house.session("low")
    assert house.tables.ranking == 1
    assert bool(told) is (preempt is Preempt.NOW)
    assert bool(session.after_turn) is (preempt is Preempt.AFTER_TURN)


def test_a_session_is_not_preempted_before_its_least_runtime(new_house, work):
    house = new_house(max_sessions=1, selection=Selection(preempt=Preempt.NOW, min_runtime=60.0))
    house.offer(work("low", "a"))
    house.fill()
    house.started("low")
    house.offer(work("low", "a"), work("high", "b", priority=5))
    house.now = house.now.later(10)

    house.take(orders.reprioritize(house.tables, "SIGUSR1", house.now))

    assert not [effect for effect in house.effects if isinstance(effect, Tell)]
