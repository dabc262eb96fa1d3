"""Time in the core: what is due, when it wakes next, and that it never asks to be woken for nothing."""

from __future__ import annotations

import pytest

from supervisor.core.decisions import requests, wake
from supervisor.core.decisions.effects import CheckIdle, Notify, Probe, Tell, Wake
from supervisor.core.decisions.policy import Harness, Leases
from supervisor.core.leases.lease import TimedOut, Waiting, Want, Woken
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.lifecycle import HarnessPaused, HarnessResumed, Stop


def wants(*texts: str) -> tuple[Want, ...]:
    return tuple(Want(scope) for text in texts for scope in parse_scopes(text, "repo"))


@pytest.fixture
def stalling(new_house, work):
    budget = Budget(wall=3000.0, warn=300.0, grace=10.0, stall=60.0)
    house = new_house(harnesses={"sh": Harness("sh", budget)})
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    return house


def test_promise_13_with_nothing_to_wait_for_there_is_no_next_instant(house, work):
    assert wake.next_wake(house.tables, house.now) is None
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")

    assert wake.next_wake(house.tables, house.now) is None


def test_a_session_is_probed_twice_per_stall_limit(stalling):
    assert wake.next_wake(stalling.tables, stalling.now) == 30.0
    stalling.pass_time(30)

    assert [effect for effect in stalling.effects if isinstance(effect, Probe)] == [Probe("s1")]
    assert wake.next_wake(stalling.tables, stalling.now) == 30.0


def test_a_session_whose_fingerprint_stands_still_is_stopped_as_stalled(stalling):
    for fingerprint in ("one", "two", "two", "two"):
        stalling.pass_time(30)
        stalling.take(wake.probed(stalling.tables, "s1", fingerprint, stalling.now))

    (told,) = [effect for effect in stalling.effects if isinstance(effect, Tell)]
    assert isinstance(told.wish, Stop)
    assert told.wish.cause == "stall"
    assert "did not change for 60 s" in told.wish.why


def test_a_session_that_moves_is_left_alone(stalling):
    for fingerprint in "abcdefgh":
        stalling.pass_time(30)
        stalling.take(wake.probed(stalling.tables, "s1", fingerprint, stalling.now))

    assert not [effect for effect in stalling.effects if isinstance(effect, Tell)]


def test_a_wait_ends_at_its_limit_and_not_before(house, work):
    house.offer(work("a", "a"))
    house.fill()
    answer = house.tables.broker.acquire("operator", wants("a"), house.now.mono, wait=5.0)
    assert isinstance(answer, Waiting)

    assert wake.next_wake(house.tables, house.now) == 5.0
    house.pass_time(4.9)
    assert not [effect for effect in house.effects if isinstance(effect, Wake)]
    house.pass_time(0.2)

    (woken,) = [effect for effect in house.effects if isinstance(effect, Wake)]
    assert isinstance(woken.result, TimedOut)
    (told,) = [effect for effect in house.effects if getattr(effect, "kind", "") == "lease.wait_timed_out"]
    assert told.data["behind"] == ["s1"]
    assert told.data["why"] == "gave up waiting: a is held by session s1 (task a) for 5.1s"


def test_what_a_session_was_granted_after_a_wait_is_told_of_that_session(house, work):
    for key in "ab":
        house.offer(work(key, key))
        house.fill()
        house.started(key)
    house.tables.broker.acquire("s2", wants("a"), house.now.mono, wait=60.0)

    house.take(requests.release(house.tables, "s1", None, house.now)[1])

    (told,) = [effect for effect in house.effects if getattr(effect, "kind", "") == "lease.granted"]
    assert (told.session, told.task) == ("s2", "b")
    assert told.data["waited"]


@pytest.fixture
def contended(new_house, work):
    house = new_house(leases=Leases(ttl=100.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    house.tables.broker.acquire("operator", wants("a"), house.now.mono, wait=1000.0)
    return house


def test_promise_4_an_idle_lease_that_nobody_wants_never_expires(new_house, work):
    house = new_house(leases=Leases(ttl=100.0))
    house.offer(work("a", "a"))
    house.fill()
    house.pass_time(100_000)

    assert len(house.tables.broker.held("s1")) == 1


def test_a_contended_idle_lease_is_looked_at_and_not_spun_on(contended):
    contended.pass_time(101)

    (check,) = [effect for effect in contended.effects if isinstance(effect, CheckIdle)]
    assert contended.tables.broker.lease(check.token) is not None
    assert wake.next_wake(contended.tables, contended.now) == pytest.approx(wake.LOOK_AGAIN)


def test_an_idle_lease_expires_to_the_one_who_waits_and_its_holder_is_told(contended):
    (lease,) = contended.tables.broker.held("s1")
    contended.pass_time(101)

    contended.take(wake.still_idle(contended.tables, lease.token, None, contended.now))

    woken = [effect.result for effect in contended.effects if isinstance(effect, Wake)]
    assert [type(result) for result in woken] == [Woken]
    assert contended.tables.broker.held("s1") == ()
    assert any(isinstance(effect, Notify) and "has expired" in effect.text for effect in contended.effects)


def test_a_lease_that_was_written_to_lately_is_kept(contended):
    (lease,) = contended.tables.broker.held("s1")
    contended.pass_time(101)

    contended.take(wake.still_idle(contended.tables, lease.token, contended.now.mono - 10, contended.now))

    assert contended.tables.broker.lease(lease.token) is not None
    assert wake.next_wake(contended.tables, contended.now) == pytest.approx(90.0)


def test_a_paused_session_is_not_probed_and_a_pause_does_not_count_as_standing_still(stalling):
    stalling.pass_time(20)
    stalling.news("a", HarnessPaused("op", "lunch"))
    assert wake.next_wake(stalling.tables, stalling.now) is None
    stalling.pass_time(500)
    stalling.news("a", HarnessResumed())
    assert wake.next_wake(stalling.tables, stalling.now) == 30.0
    session = stalling.session("a")

    wake.probed(stalling.tables, session.id, session.fingerprint, stalling.now.later(39))

    assert stalling.now.mono - session.progress_at == 20


def test_the_budget_stands_still_while_a_session_is_paused(stalling):
    stalling.pass_time(20)
    stalling.news("a", HarnessPaused("op", "lunch"))
    stalling.pass_time(500)
    session = stalling.session("a")
    assert session.elapsed(stalling.now) == 20

    stalling.news("a", HarnessResumed())
    stalling.pass_time(5)

    assert session.elapsed(stalling.now) == 25
    [paused] = stalling.notes("session.paused")
    [resumed] = stalling.notes("session.resumed")
    assert (paused.data["by"], paused.data["why"]) == ("op", "lunch")
    assert (resumed.data["paused_for"], resumed.data["elapsed"]) == (500, 20)


def test_a_paused_session_keeps_a_lease_that_another_waits_for_and_its_idleness_begins_at_the_resume(
    new_house, work
):
    house = new_house(leases=Leases(ttl=100.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    session = house.session("a")
    house.news("a", HarnessPaused("op", "lunch"))
    waiting = house.tables.broker.acquire("op", wants("a"), house.now.mono, wait=10_000.0)
    assert isinstance(waiting, Waiting)

    house.pass_time(150)
    house.pass_time(150)

    assert not [effect for effect in house.effects if isinstance(effect, CheckIdle)]
    house.news("a", HarnessResumed())
    house.pass_time(99)
    assert not [effect for effect in house.effects if isinstance(effect, CheckIdle)]
    house.pass_time(2)
    [asked] = [effect for effect in house.effects if isinstance(effect, CheckIdle)]
    assert house.tables.broker.lease(asked.token).holder == session.id


def test_a_look_that_comes_back_while_its_holder_is_paused_expires_nothing(new_house, work):
    house = new_house(leases=Leases(ttl=100.0))
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    [lease] = house.tables.broker.held(house.session("a").id)
    house.news("a", HarnessPaused("op", "lunch"))

    assert wake.still_idle(house.tables, lease.token, None, house.now.later(500)) == []
    assert house.tables.broker.lease(lease.token) is not None
