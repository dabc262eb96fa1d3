"""Tasks kept back by a lease or a commit: looked at again when that changes, and not for ever."""

from __future__ import annotations

from supervisor.core.decisions import requests
from supervisor.core.decisions.advance import landed
from supervisor.core.decisions.effects import Reread
from supervisor.core.history.recent import Touch
from supervisor.core.leases.lease import Mode, Waiting, Want
from supervisor.core.leases.scope import parse_scopes


def wants(*paths):
    """Return exclusive wants in the repository."""
    return tuple(Want(scope, Mode.EXCLUSIVE) for path in paths for scope in parse_scopes(path, "repo"))


def test_a_task_starts_as_soon_as_the_lease_in_its_way_is_given_back(house, work):
    _, effects = requests.acquire(house.tables, "operator", wants("x"), 0.0, house.now)
    house.take(effects)
    house.offer(work("a", "x"))
    assert house.fill() == []

    _, effects = requests.release(house.tables, "operator", None, house.now)

    assert house.take(effects) == ["a"]


def test_a_task_starts_as_soon_as_the_request_in_its_way_is_withdrawn(house, work):
    house.offer(work("a", "x"))
    house.fill()
    asked, effects = requests.acquire(house.tables, "operator", wants("x", "y"), 100.0, house.now)
    house.take(effects)
    house.offer(work("a", "x"), work("b", "y"))
    assert house.fill() == []
    assert isinstance(asked, Waiting)

    assert house.take(requests.cancel(house.tables, asked.waiter, house.now)) == ["b"]


def test_a_task_whose_paths_were_edited_is_judged_by_the_new_ones(house, work):
    house.offer(work("a", "x"))
    house.fill()
    house.offer(work("a", "x"), work("b", "x"))
    assert house.fill() == []

    house.offer(work("a", "x"), work("b", "y"))

    assert house.fill() == ["b"]


def test_a_commit_dated_in_the_future_keeps_a_task_back_for_one_reading_only(house, work):
    house.offer(work("a", "x"))
    house.now = house.now.later(1)
    touch = Touch(house.now.wall + 1e6, "", "", "abc", "Later", ("x",))
    landed(house.tables, "repo", [touch], house.now)
    assert house.fill() == []
    assert [effect for effect in house.effects if isinstance(effect, Reread)]

    house.now = house.now.later(1)
    house.offer(work("a", "x"))

    assert house.fill() == ["a"]
