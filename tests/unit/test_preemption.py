"""Preemption after a re-ranking: it stops the fewest sessions, and only where that lets a better task start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from supervisor.core.decisions import orders
from supervisor.core.decisions.admission import Paused
from supervisor.core.decisions.effects import Tell
from supervisor.core.decisions.policy import Preempt, Selection


def now_or_never(new_house: Callable[..., object], **policy: object) -> Any:
    """Return a house that preempts at once."""
    return new_house(selection=Selection(preempt=Preempt.NOW, min_runtime=0.0), **policy)


def run(house, *works):
    """Start these tasks and let them run for a while."""
    house.offer(*works)
    house.fill()
    for one in works:
        house.started(one.task.key)
    house.now = house.now.later(100)


def reprioritize(house):
    """Re-rank; return the tasks whose sessions are told to stop thereby."""
    before = len(house.effects)
    house.take(orders.reprioritize(house.tables, "op", house.now))
    told = [effect.session for effect in house.effects[before:] if isinstance(effect, Tell)]
    return [house.tables.roster.find(session).key for session in told]


@pytest.mark.parametrize("left", [[], ["abc"]])
def test_what_preempted_a_session_starts_before_what_gave_way(new_house, work, left):
    house = now_or_never(new_house, max_sessions=1)
    run(house, work("low", "a"))
    house.offer(work("low", "a"), work("high", "b", priority=5))

    assert reprioritize(house) == ["low"]

    assert house.end("low", cause="preempt", commits=left) == ["high"]


def test_a_second_re_ranking_does_not_stop_a_second_session_for_the_same_task(new_house, work):
    house = now_or_never(new_house, max_sessions=2)
    run(house, work("a", "a"), work("b", "b"))
    house.offer(work("a", "a"), work("b", "b"), work("high", "c", priority=5))

    assert reprioritize(house) == ["b"]
    assert reprioritize(house) == []


def test_a_task_that_no_slot_would_help_preempts_nobody(new_house, work):
    house = now_or_never(new_house, max_sessions=2)
    run(house, work("a", "a"), work("b", "b", priority=9))
    better = {"priority": 5}
    kept_back = [
        work("lost", "x", harness="none", **better),
        work("leased", "b", **better),
        work("partly", "a", "b", **better),
    ]
    house.offer(work("a", "a"), work("b", "b", priority=9), *kept_back)

    assert reprioritize(house) == []


def test_a_task_kept_back_by_a_lease_stops_the_holder_and_nobody_else(new_house, work):
    house = now_or_never(new_house)
    run(house, work("a", "a"), work("b", "b", priority=-1))
    house.offer(work("a", "a"), work("b", "b", priority=-1), work("high", "a/deep", priority=5))

    assert reprioritize(house) == ["a"]
    assert house.end("a", cause="preempt") == ["high"]


def test_a_paused_supervisor_preempts_nobody(new_house, work):
    house = now_or_never(new_house, max_sessions=1)
    run(house, work("low", "a"))
    house.offer(work("low", "a"), work("high", "b", priority=5))
    house.take(orders.admit(house.tables, Paused("op", "", 0.0), "op", house.now))

    assert reprioritize(house) == []
