"""A session that may have read a file before another changed it is told at its first write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core.decisions.claims import Claim, claim
from supervisor.core.decisions.first_write import first_write
from supervisor.core.decisions.policy import Leases, StaleReads
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.decisions.stale import stale_reads
from supervisor.core.history.recent import Touch
from supervisor.core.leases.lease import Granted


def begin(house, work):
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    return house.session("a")


def change(house, path: str, session: str = "other") -> None:
    house.tables.recent.add(
        "repo", Touch(house.now.wall, session, "t", f"sha-{house.now.wall}", "Change", (path,))
    )


def ask(house, path: str):
    session = house.session("a")
    verdict, _, _ = claim(house.tables, session, Claim((path,)), 0.0, house.now)
    return verdict, stale_reads(house.tables, session, (path,), house.now)[0]


def test_a_change_since_the_session_began_is_told_once(house, work) -> None:
    begin(house, work)
    house.pass_time(60)
    change(house, "two")
    house.pass_time(30)

    verdict, told = ask(house, "two")
    _, again = ask(house, "two")

    assert isinstance(verdict, Granted)
    assert len(told) == 1
    assert "two: session other (task t) changed it 30s ago" in told[0]
    assert again == ()
    assert house.tables.collisions.stale_reads == 1


def test_a_first_write_goes_the_short_way_but_where_a_change_is_to_be_told(house, work) -> None:
    change(house, "before")
    house.pass_time(5)
    session = begin(house, work)
    house.pass_time(5)
    change(house, "own", session.id)
    house.pass_time(5)
    change(house, "foreign")
    house.pass_time(5)
    change(house, "told")
    ask(house, "told")

    short = {
        path: first_write(house.tables, session, path, house.now.mono) is not None
        for path in ("before", "own", "foreign", "told")
    }

    assert short == {"before": True, "own": True, "foreign": False, "told": True}


def test_own_changes_and_those_before_the_session_are_not_told(house, work) -> None:
    change(house, "two")
    house.pass_time(5)
    session = begin(house, work)
    house.pass_time(5)
    change(house, "three", session.id)

    assert ask(house, "two")[1] == ()
    assert ask(house, "three")[1] == ()


def test_where_the_operator_says_so_the_first_such_write_is_refused_and_the_next_one_passes(
    new_house, work
) -> None:
    house = new_house(leases=replace(Leases(), stale_reads=StaleReads.REFUSE))
    session = begin(house, work)
    house.pass_time(60)
    change(house, "two")

    first, *_ = claim(house.tables, session, Claim(("two",)), 0.0, house.now)
    second, *_ = claim(house.tables, session, Claim(("two",)), 0.0, house.now)

    assert isinstance(first, LeaseRefusal)
    assert first.data["reason"] == "stale"
    assert isinstance(second, Granted)


@pytest.mark.parametrize("policy", [StaleReads.OFF])
def test_it_can_be_switched_off(new_house, work, policy) -> None:
    house = new_house(leases=replace(Leases(), stale_reads=policy))
    begin(house, work)
    house.pass_time(60)
    change(house, "two")

    assert ask(house, "two")[1] == ()
