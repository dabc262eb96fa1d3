"""What a worker says when it is reached again: nothing of it is counted twice, and nothing is missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from supervisor.core.decisions.effects import Recount
from supervisor.core.sessions.lifecycle import HarnessPaused, Paused, ProcessId, Running
from supervisor.daemon.news import News
from supervisor.daemon.places import Places

WORKER = ProcessId(1000, 1, "boot")
HARNESS = {"pid": 1001, "start_ticks": 1}


class Hearer:
    """An authority and a hearer over the tables of a house."""

    def __init__(self, house: Any) -> None:
        self.house = house
        self.repeated: list[str] = []

    @property
    def tables(self) -> Any:
        return self.house.tables

    def now(self) -> Any:
        return self.house.now

    def do(self, effects: Any) -> None:
        self.house.take(effects)

    def tick(self) -> None:
        """Grant what waited for reports: nothing does here."""

    def event(self, session: str, event: Any) -> None:
        self.house.news(self.house.tables.roster.get(session).key, event)

    def repeat_wish(self, session_id: str) -> None:
        self.repeated.append(session_id)


@pytest.fixture
def met(house: Any, work: Any) -> Any:
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    hearer = Hearer(house)
    news = News(cast("Any", hearer), Places(Path("/nowhere"), Path("/nowhere")), hearer)

    def hello(state: str, paused_for: float) -> Any:
        session = house.session("a")
        message = {"event": "hello", "state": state, "paused_for": paused_for, "harness": HARNESS}
        news.hear(session.id, WORKER, message)
        return session

    return hello


def test_a_pause_is_counted_once_however_often_its_worker_is_reached_again(house: Any, met: Any) -> None:
    house.pass_time(10)
    house.news("a", HarnessPaused("operator", "lunch"))
    house.pass_time(40)

    session = met("paused", 40.0)

    assert session.elapsed(house.now) == 10
    house.pass_time(60)
    met("paused", 100.0)
    assert session.elapsed(house.now) == 10
    met("running", 100.0)
    house.pass_time(5)
    assert isinstance(session.life.state, Running)
    assert session.elapsed(house.now) == 15


def test_a_session_that_went_on_while_its_worker_was_out_of_reach_is_not_called_paused(
    house: Any, met: Any
) -> None:
    house.pass_time(10)
    house.news("a", HarnessPaused("operator", "lunch"))
    house.pass_time(50)

    session = met("running", 30.0)

    assert isinstance(session.life.state, Running)
    assert session.elapsed(house.now) == 30


def test_a_pause_that_was_not_heard_of_is_taken_in(house: Any, met: Any) -> None:
    house.pass_time(50)

    session = met("paused", 20.0)

    assert isinstance(session.life.state, Paused)
    assert session.elapsed(house.now) == 30


def test_a_worker_whose_leases_cannot_be_read_has_reported_and_is_told_all_it_holds(
    house: Any, work: Any
) -> None:
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    session = house.session("a")
    hearer = Hearer(house)
    news = News(cast("Any", hearer), Places(Path("/nowhere"), Path("/nowhere")), hearer)
    news.unreported.add(session.id)
    house.tables.wait_for_reports.add(session.id)
    hello = {"event": "hello", "state": "running", "harness": HARNESS, "leases": [["of", "another", "shape"]]}

    news.hear(session.id, WORKER, hello)

    assert news.unreported == set()
    assert house.tables.wait_for_reports == set()
    assert [lease.scope.text for lease in house.tables.broker.held(session.id)] == ["a"]
    assert house.effects.count(Recount(session.id)) == 1
    assert hearer.repeated == [session.id]
