"""Harnesses that share an account rest, stop and go on together; quotas of tokens and cost end their sessions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from supervisor.core.decisions import hearing, resting
from supervisor.core.decisions.effects import Notify
from supervisor.core.decisions.hearing import Mark
from supervisor.core.decisions.policy import Harness
from supervisor.core.decisions.selection import Skip, decide, explain
from supervisor.core.history.quota import Quota, Starts
from supervisor.core.pacing.retry import RetryPolicy
from supervisor.core.sessions.allowance import Allowance
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.lifecycle import Run, Stop
from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind

BUDGET = Budget(wall=3000.0, warn=300.0, grace=10.0)
TWO = {"opus": Harness("opus", BUDGET), "haiku": Harness("haiku", BUDGET)}
ACCOUNT = Quota("anthropic", None, 86_400.0, ("opus", "haiku"), account=True)
RETRY = RetryPolicy(3, 30.0, 1800.0, 0.0)
REFUSED = Verdict(VerdictKind.AUTH, "401 invalid x-api-key")


@pytest.fixture
def shared(new_house, work):
    house = new_house(harnesses=TWO, quotas=(ACCOUNT,), retry=RETRY)
    house.offer(
        *(work(key, key, harness=name) for key, name in (("a", "opus"), ("b", "haiku"), ("c", "opus")))
    )
    return house


@pytest.fixture
def running(new_house, work):
    """Return what makes a house in which the session of task a runs."""

    def run(**changes):
        house = new_house(**changes)
        house.offer(work("a", "a"))
        house.fill()
        house.started("a")
        return house

    return run


def limited(at: float | None = None) -> Verdict:
    return Verdict(VerdictKind.RATE_LIMITED, "429 rate_limit_error", at)


def answer(house, key):
    """Let the model answer the session of a task for the first time."""
    session = house.session(key)
    session.heard = session.heard or Reading()
    return house.take(hearing.heard(house.tables, session, Mark(), Mark(answered=True), house.now))


def test_a_rate_limit_of_one_harness_rests_all_of_its_account_until_the_hour_that_was_told(shared):
    shared.fill()
    shared.started("a")
    reset = shared.now.wall + 500
    shared.end("a", 1, verdict=limited(reset))

    assert set(shared.tables.resting) == {"opus", "haiku"}
    assert all(reset <= rest.until <= reset + 50 for rest in shared.tables.resting.values())
    (note,) = shared.notes("harness.resting")
    assert note.data["harnesses"] == ["opus", "haiku"]
    assert shared.standing("a") == "ready"
    assert shared.tables.backlog.track("a").attempts == 0


def test_after_a_rate_limit_one_session_tries_and_the_others_follow_once_it_is_answered(shared):
    for key in shared.fill():
        shared.started(key)
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited(shared.now.wall + 100))
    assert shared.pass_time(99) == []

    (canary,) = shared.pass_time(12)
    assert shared.pass_time(5) == []
    assert answer(shared, canary) == []

    assert sorted([canary, *shared.pass_time(15)]) == ["a", "b", "c"]


def test_a_canary_that_meets_the_limit_again_makes_the_rest_longer(shared):
    shared.fill()
    shared.started("a")
    shared.end("a", 1, verdict=limited())
    first = shared.tables.resting["opus"].until - shared.now.wall
    for key in ("b", "c"):
        shared.end(key, 1, verdict=limited())
    assert shared.tables.resting["opus"].failures == 1  # they tell no news

    (canary,) = shared.pass_time(first)
    shared.end(canary, 1, verdict=limited())

    assert shared.tables.resting["opus"].until - shared.now.wall == 2 * first


def test_an_account_that_always_says_in_a_minute_is_asked_less_and_less_often(shared):
    shared.fill()
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited(shared.now.wall + 60))
    waits = []
    for _ in range(8):
        began = shared.now.wall
        while not (canary := shared.pass_time(10)):
            pass
        waits.append(shared.now.wall - began)
        shared.end(canary[0], 1, verdict=limited(shared.now.wall + 60))

    assert 60 <= waits[0] < 80
    assert waits[1:] == sorted(waits[1:])
    assert waits[-1] >= 1800
    assert shared.standing("a") == "ready"


def test_a_canary_that_an_operator_ended_proves_nothing_and_the_next_session_tries(shared):
    shared.fill()
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited())
    (canary,) = shared.pass_time(31)
    (second,) = shared.end(canary, cause="stop")

    assert shared.tables.resting["opus"].canary == shared.session(second).id


def test_a_refused_account_is_stopped_and_said_once_until_an_operator_says_so(shared):
    for key in shared.fill():
        shared.started(key)
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=REFUSED)

    assert len(shared.notes("harness.stopped")) == 1
    assert shared.pass_time(86_400 * 30) == []
    skip = explain(shared.tables, shared.tables.backlog.work("b"), shared.now)
    assert isinstance(skip, Skip)
    assert "401 invalid x-api-key" in skip.sentence
    assert "`leasehold resume --harness haiku`" in skip.sentence

    shared.take(resting.lift(shared.tables, "haiku", "operator"))
    assert shared.fill() == ["a", "b", "c"]


def test_an_unreachable_model_server_is_tried_again_and_is_no_failure_of_the_task(shared):
    shared.fill()
    shared.end("a", 1, verdict=Verdict(VerdictKind.UNREACHABLE, "ECONNREFUSED"))

    assert shared.tables.backlog.track("a").last.outcome is Outcome.UNAVAILABLE
    assert shared.tables.backlog.track("a").attempts == 0
    assert "ECONNREFUSED" in shared.tables.resting["haiku"].why
    assert shared.tables.resting["haiku"].until == shared.now.wall + 30


def gone(words: str = "ECONNREFUSED (model server http://127.0.0.1:9)") -> Verdict:
    return Verdict(VerdictKind.UNREACHABLE, words)


def test_an_idle_run_gives_an_account_up_whose_next_try_is_beyond_its_patience(shared):
    shared.tables.patience = 100.0
    for key in shared.fill():
        shared.started(key)
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=gone())
    assert all(skip.until is not None for skip in decide(shared.tables, shared.now).skipped)

    for wait in (31, 61):
        (canary,) = shared.pass_time(wait)
        shared.end(canary, 1, verdict=gone())

    assert [skip.until for skip in decide(shared.tables, shared.now).skipped] == [None] * 3
    (told,) = resting.told_given_up(shared.tables, shared.now.wall)
    assert told == (
        "account anthropic (harness opus, haiku) was tried 3 times within 1m32s, and is not waited for any longer: "
        "its model server cannot be reached: ECONNREFUSED (model server http://127.0.0.1:9)"
    )


def test_a_service_waits_for_an_account_as_long_as_it_takes(shared):
    shared.fill()
    shared.end("a", 1, verdict=gone())
    for wait in (31, 61, 121, 241):
        (canary,) = shared.pass_time(wait)
        shared.end(canary, 1, verdict=gone())

    assert all(skip.until is not None for skip in decide(shared.tables, shared.now).skipped)
    assert resting.told_given_up(shared.tables, shared.now.wall) == []


def test_an_hour_that_an_account_told_is_waited_for_also_by_an_idle_run(shared):
    shared.tables.patience = 100.0
    shared.fill()
    shared.end("a", 1, verdict=limited(shared.now.wall + 5000))

    assert all(skip.until is not None for skip in decide(shared.tables, shared.now).skipped)


def test_an_idle_run_tries_at_once_what_rested_under_an_earlier_supervisor(shared):
    shared.fill()
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=gone())
    shared.tables.patience = 1.0
    resting.try_now(shared.tables, shared.now.wall)

    (canary,) = shared.fill()
    shared.end(canary, 1, verdict=gone())
    assert len(resting.told_given_up(shared.tables, shared.now.wall)) == 1


def test_an_idle_run_waits_for_the_harness_that_is_free_first(new_house, work):
    quota = Quota("plan", 1, 3600.0, ("haiku",))
    house = new_house(harnesses=TWO, quotas=(quota,), retry=RETRY)
    house.offer(work("b", "b", harness="haiku"))
    house.fill()
    house.end("b", 0, commits=["c1"])
    house.offer(work("a", "a", harness="opus"))
    house.fill()
    house.end("a", 1, verdict=REFUSED)
    house.offer(work("c", "c"))

    (skip,) = [skip for skip in decide(house.tables, house.now).skipped if skip.key == "c"]
    assert skip.until == house.now.wall + 3600


def test_a_reload_waits_for_an_hour_that_was_told_and_lets_one_session_try_what_was_refused(shared):
    for key in shared.fill():
        shared.started(key)
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited(shared.now.wall + 5000))
    resting.reloaded(shared.tables, [], shared.now.wall)
    assert shared.pass_time(4999) == []

    (canary,) = shared.pass_time(60)
    shared.end(canary, 1, verdict=REFUSED)
    resting.reloaded(shared.tables, [], shared.now.wall)

    (second,) = shared.fill()
    assert shared.tables.resting["opus"].canary == shared.session(second).id
    assert len(answer(shared, second)) + len(shared.pass_time(15)) == 2


def test_a_harness_whose_configuration_a_reload_changed_is_tried_at_once_also_before_the_hour_that_was_told(
    shared,
):
    shared.fill()
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited(shared.now.wall + 5000))
    resting.reloaded(shared.tables, ["opus"], shared.now.wall)

    assert len(shared.fill()) == 1


def test_a_reload_forgets_harnesses_that_are_gone_and_rests_those_that_join_an_account(shared):
    shared.fill()
    for key in ("a", "b", "c"):
        shared.end(key, 1, verdict=limited(shared.now.wall + 5000))
    account = replace(ACCOUNT, harnesses=("opus", "sonnet"))
    harnesses = {"opus": TWO["opus"], "sonnet": Harness("sonnet", BUDGET)}
    shared.tables.policy = replace(shared.tables.policy, harnesses=harnesses, quotas=(account,))
    resting.reloaded(shared.tables, [], shared.now.wall)

    assert set(shared.tables.resting) == {"opus", "sonnet"}
    assert all(rest.until > shared.now.wall for rest in shared.tables.resting.values())


def test_several_quotas_of_one_account_are_one_account_in_whatever_order_they_stand(new_house, work):
    weekly = Quota("weekly", 100, 604_800.0, ("opus",), account=True)
    for quotas in ((weekly, ACCOUNT), (ACCOUNT, weekly)):
        house = new_house(harnesses=TWO, quotas=quotas, retry=RETRY)
        house.offer(work("a", "a", harness="opus"))
        house.fill()
        house.end("a", 1, verdict=limited(house.now.wall + 500))

        assert set(house.tables.resting) == {"opus", "haiku"}
        assert house.notes("harness.resting")[0].data["account"] == "anthropic"


def test_a_harness_without_an_account_rests_alone(new_house, work):
    every = Quota("plan", 100, 3600.0, ("opus", "haiku"))
    house = new_house(harnesses=TWO, quotas=(every,), retry=RETRY)
    house.offer(work("a", "a", harness="opus"), work("b", "b", harness="haiku"))
    house.fill()
    house.end("a", 1, verdict=limited())

    assert set(house.tables.resting) == {"opus"}


# --- quotas -----------------------------------------------------------------------------------------


def test_used_up_tokens_end_every_session_of_the_account_and_let_none_start_before_they_are_old(
    new_house, work
):
    quota = Quota("anthropic", None, 3600.0, ("opus", "haiku"), tokens=1000, account=True)
    house = new_house(harnesses=TWO, quotas=(quota,), retry=RETRY)
    house.offer(work("a", "a", harness="opus"), work("b", "b", harness="haiku"))
    for key in house.fill():
        house.started(key)
    house.take(hearing.heard(house.tables, house.session("a"), Mark(), Mark(tokens=999), house.now))
    assert house.notes("quota.used_up") == []

    house.take(
        hearing.heard(house.tables, house.session("a"), Mark(tokens=999), Mark(tokens=1001), house.now)
    )
    for key in ("a", "b"):
        wish = house.session(key).life.wish
        assert isinstance(wish, Stop)
        assert wish.cause == "quota"
        assert "1001 of 1000 tokens within 1h" in wish.why
        house.end(key, cause="quota")

    assert len(house.notes("quota.used_up")) == 1
    assert house.standing("a") == "ready"
    assert house.tables.backlog.track("a").last.outcome is Outcome.OVER_QUOTA
    assert house.fill() == []
    assert house.pass_time(3599) == []
    assert house.pass_time(1) == ["a", "b"]


@pytest.mark.parametrize(
    ("allowance", "told"),
    [
        (Allowance(turns=10), "10 of 10 turns used"),
        (Allowance(tokens=1000), "1000 of 1000 tokens used"),
        (Allowance(cost_usd=1.0), "1.00 of 1.00 USD used"),
        (Allowance(10, 1000, 1.0), "10 of 10 turns used; 1000 of 1000 tokens used; 1.00 of 1.00 USD used"),
    ],
)
def test_a_session_that_used_its_allowance_is_warned_and_then_ended_as_over_its_budget(
    running, allowance, told
):
    house = running(harnesses={"sh": Harness("sh", BUDGET, allowance=allowance)})
    marks = [Mark(turns=n, tokens=n * 100, cost_usd=n * 0.1) for n in (0, 7, 8, 9, 10)]

    for before, after in pairwise(marks):
        assert isinstance(house.session("a").life.wish, Run)
        house.take(hearing.heard(house.tables, house.session("a"), before, after, house.now))

    assert house.session("a").life.wish == Stop("budget", "supervisor", told)
    assert len([effect for effect in house.effects if isinstance(effect, Notify)]) == 1
    house.end("a", cause="budget")
    assert house.tables.backlog.track("a").last.outcome is Outcome.TIMED_OUT


def test_an_agent_that_tells_what_it_used_with_its_last_word_is_not_ended_by_that(running):
    house = running(harnesses={"sh": Harness("sh", BUDGET, allowance=Allowance(tokens=10))})
    house.session("a").heard = Reading(final=True)
    house.take(hearing.heard(house.tables, house.session("a"), Mark(), Mark(tokens=1000), house.now))

    assert isinstance(house.session("a").life.wish, Run)


def test_cost_is_limited_like_tokens(running):
    quota = Quota("daily", None, 86_400.0, ("sh",), cost_usd=2.0)
    house = running(quotas=(quota,))
    house.take(hearing.heard(house.tables, house.session("a"), Mark(), Mark(cost_usd=2.5), house.now))

    assert "2.50 of 2.00 USD within 1d" in house.session("a").life.wish.why


def test_a_session_that_tells_nothing_of_its_use_is_counted_as_unknown_and_not_as_nothing():
    starts = Starts()
    quota = Quota("daily", None, 100.0, ("sh",), tokens=10)
    starts.told_nothing("sh", 1000.0)

    assert starts.used(quota, 1050.0).tokens == 0
    assert starts.untold_of(quota, 1050.0) == 1
    assert starts.untold_of(quota, 1101.0) == 0


def test_a_session_whose_model_never_answered_used_nothing_that_it_had_to_tell(running):
    quota = Quota("plan", None, 86_400.0, ("sh",), tokens=10)
    house = running(quotas=(quota,))
    session = house.session("a")
    refused, silent = Reading(), Reading()
    refused.fail(VerdictKind.RATE_LIMITED, "429")
    for reading, untold in ((refused, 0), (silent, 1), (None, 2)):
        house.take(hearing.ended(house.tables, session, reading, house.now))
        assert house.tables.starts.untold_of(quota, house.now.wall) == untold


def test_a_cap_over_all_harnesses_counts_also_one_that_has_another_name_now(new_house, work):
    daily = Quota("daily", None, 86_400.0, ("new",), cost_usd=5.0, of_all=True)
    house = new_house(harnesses={"new": Harness("new", BUDGET)}, quotas=(daily,))
    house.tables.starts.spend("old", house.now.wall, 0, 4.9)
    house.offer(work("a", "a"), work("b", "b"))
    house.fill()
    house.started("a")
    assert house.tables.starts.used(daily, house.now.wall).sessions == 2
    house.take(hearing.heard(house.tables, house.session("a"), Mark(), Mark(cost_usd=0.2), house.now))

    assert "5.10 of 5.00 USD" in house.session("b").life.wish.why


def test_a_quota_that_comes_into_force_ends_what_lives_though_it_says_nothing_any_more(new_house, work):
    house = new_house(harnesses=TWO)
    house.offer(work("a", "a", harness="opus"), work("b", "b", harness="haiku"))
    for key in house.fill():
        house.started(key)
    house.tables.starts.spend("opus", house.now.wall, 900, 0.0)
    quota = Quota("plan", None, 3600.0, ("opus",), tokens=500)
    house.tables.policy = replace(house.tables.policy, quotas=(quota,))
    house.take(hearing.keep_all_quotas(house.tables, house.now))

    assert isinstance(house.session("a").life.wish, Stop)
    assert isinstance(house.session("b").life.wish, Run)


def test_a_session_that_told_its_tokens_and_no_cost_is_unknown_to_a_quota_of_cost():
    starts = Starts()
    starts.told_nothing("sh", 1000.0, tokens=False, cost=True)

    assert starts.untold_of(Quota("tokens", None, 100.0, ("sh",), tokens=10), 1050.0) == 0
    assert starts.untold_of(Quota("cost", None, 100.0, ("sh",), cost_usd=10.0), 1050.0) == 1


def test_a_quota_that_is_asked_late_counts_the_same_as_one_that_was_asked_all_along():
    quota = Quota("daily", None, 1000.0, ("a", "b"), tokens=500, cost_usd=5.0)
    asked, late = Starts(), Starts()
    for number in range(300):
        for starts in (asked, late):
            starts.spend("ab"[number % 2], number * 17.0, number % 40, 0.01 * (number % 7))
        asked.used(quota, number * 17.0)

    for now in (5090.0, 5500.0, 6000.0, 9000.0):
        assert late.used(quota, now) == asked.used(quota, now)


def test_a_quota_is_free_again_when_enough_of_the_use_is_older_than_its_window():
    starts = Starts()
    quota = Quota("daily", None, 1000.0, ("sh",), tokens=100)
    for at, tokens in ((0.0, 50), (100.0, 30), (200.0, 60)):
        starts.spend("sh", at, tokens, 0.0)

    assert starts.used(quota, 300.0).frees == 1100.0
    assert starts.used(quota, 1000.5).frees == 1100.0
    assert starts.used(quota, 1100.5).frees is None


def test_a_quota_that_was_used_up_waits_for_room_and_does_not_start_a_session_with_each_minute_that_grows_old():
    starts = Starts()
    quota = Quota("plan", None, 3600.0, ("sh",), tokens=1000)
    begun, running = [], False
    for second in range(0, 7200, 5):
        now = 10_000.0 + second
        if not running and starts.exhausted("sh", [quota], now) is None:
            running = True
            begun.append(second)
        if running:
            starts.spend("sh", now, 10, 0.0)
            running = not starts.used(quota, now).overspent

    assert begun[0] == 0
    assert 3600 < begun[1] < 3900
    assert len(begun) <= 6  # without that, 20 within ten minutes


def test_a_session_that_a_quota_ended_does_not_count_for_the_cap_on_starts(new_house, work):
    quota = Quota("plan", None, 60.0, ("sh",), tokens=10)
    house = new_house(quotas=(quota,), retry=replace(RETRY, spawns=3))
    house.offer(work("a", "a"))
    house.fill()
    for _ in range(6):
        house.started("a")
        house.take(hearing.heard(house.tables, house.session("a"), Mark(), Mark(tokens=10), house.now))
        house.end("a", cause="quota")
        assert house.standing("a") == "ready"
        assert house.pass_time(61.0) == ["a"]
