"""Choose, claim, lease and intend in one step."""

from __future__ import annotations

import pytest

from supervisor.core.decisions.admission import Draining, Paused
from supervisor.core.decisions.assign import NotAssigned, assign, fill, launch
from supervisor.core.decisions.effects import Launch, Note, Reread, SaveSession, SaveTask
from supervisor.core.decisions.selection import Fit, Reason, decide, explain
from supervisor.core.history.quota import Quota
from supervisor.core.history.recent import Touch
from supervisor.core.sessions.lifecycle import HarnessStarted, ProcessId
from supervisor.core.tasks.task import Tier


def test_promise_1_a_task_with_a_live_session_is_not_given_out_again(house, work):
    house.offer(work("a", "a.py"))

    assert house.fill() == ["a"]
    assert house.fill() == []
    assert isinstance(launch(house.tables, "a", "", house.now), NotAssigned)
    assert len(house.tables.roster) == 1


def test_a_launch_on_a_harness_that_is_not_configured_names_those_that_are(house, work):
    house.offer(work("a", "a"))

    answer = launch(house.tables, None, "nope", house.now)

    assert answer == NotAssigned('no harness "nope"; configured are: sh')
    assert launch(house.tables, "a", "nope", house.now) == answer


def test_promise_3_claim_leases_and_intent_come_with_the_launch(house, work):
    house.offer(work("a", "src/"))

    house.fill()

    kinds = [type(effect) for effect in house.effects]
    assert kinds == [Note, SaveSession, SaveTask, Launch]
    assert [lease.scope.text for lease in house.tables.broker.held("s1")] == ["src/"]
    assert house.standing("a") == "assigned"


def test_promise_3_a_start_that_cannot_lease_changes_nothing(house, work):
    house.offer(work("a", "src/"), work("b", "src/x.py"))
    fit = Fit(house.tables.backlog.work("b"), "sh")
    house.fill()

    with pytest.raises(RuntimeError, match="not free"):
        assign(house.tables, fit, house.now)

    assert house.standing("b") == "ready"
    assert [session.key for session in house.tables.roster] == ["a"]


def test_promise_3_a_failed_start_is_rolled_back(house, work):
    house.offer(work("a", "src/"))
    house.fill()

    house.end("a", cause="unspawned")

    assert list(house.tables.broker.leases()) == []
    assert len(house.tables.roster) == 0
    assert house.standing("a") == "ready"
    assert house.tables.backlog.track("a").attempts == 0


def test_overlapping_tasks_run_one_after_the_other(house, work):
    house.offer(work("a", "src/"), work("b", "src/x.py", priority=-1), work("c", "docs/", priority=-2))

    assert house.fill() == ["a", "c"]
    house.started("a")
    assert house.end("a", commits=["c1"]) == ["b"]


def test_tasks_run_by_tier_then_priority_then_age(new_house, work):
    house = new_house(max_sessions=9)
    house.offer(
        work("old", "1", created=1.0),
        work("young", "2", created=2.0),
        work("urgent", "3", priority=5, created=3.0),
        work("standing", "4", tier=Tier.STANDING, priority=9),
        work("begun", "5", tier=Tier.UNDER_WAY, priority=-9),
    )

    assert house.fill() == ["begun", "urgent", "old", "young", "standing"]


def test_no_slot_no_start(new_house, work):
    house = new_house(max_sessions=1)
    house.offer(work("a", "a"), work("b", "b"))

    assert house.fill() == ["a"]
    answer = launch(house.tables, "b", "", house.now)
    assert isinstance(answer, NotAssigned)
    assert "slots" in answer.why


@pytest.mark.parametrize("admission", [Paused("op", "lunch", 0.0), Draining("op", 0.0)])
def test_paused_or_draining_starts_nothing_but_at_an_operators_word(house, work, admission):
    house.offer(work("a", "a"))
    house.tables.admission = admission

    assert house.fill() == []
    assert house.take(launch(house.tables, "a", "", house.now)) == ["a"]


def test_nothing_starts_while_living_workers_have_not_reported(house, work):
    house.offer(work("a", "a"))
    house.tables.wait_for_reports.add("s0")

    assert house.fill() == []
    answer = launch(house.tables, "a", "", house.now)
    assert isinstance(answer, NotAssigned)
    assert "s0" in answer.why


def test_each_skip_has_its_reason_and_names_the_holder(house, work):
    house.offer(work("a", "src/"), work("b", "src/x.py"))
    house.fill()

    decision = decide(house.tables, house.now)

    assert decision.chosen is None
    (skip,) = decision.skipped
    assert (skip.key, skip.reason, skip.holder) == ("b", Reason.LEASED, "s1")
    assert "session s1 (task a)" in skip.sentence


def test_explain_says_what_keeps_a_task(house, work):
    house.offer(
        work("first", "x"),
        work("second", "y", requires=("first",)),
        work("lost", "z", requires=("nobody",)),
        work("odd", "o", harness="nope"),
    )
    house.fill()

    def reason(key: str) -> tuple[Reason, str]:
        found = explain(house.tables, house.tables.backlog.work(key), house.now)
        assert not isinstance(found, Fit)
        return found.reason, found.sentence

    assert reason("first")[0] is Reason.CLAIMED
    assert reason("second") == (Reason.BLOCKED, 'requires "first", which is not done')
    assert reason("lost") == (Reason.BLOCKED, 'requires "nobody", which no source offers')
    assert reason("odd")[0] is Reason.NO_HARNESS


def test_a_dependent_task_starts_when_its_requirement_is_done(house, work):
    house.offer(work("first", "x"), work("second", "y", requires=("first",)))
    assert house.fill() == ["first"]
    house.started("first")

    assert house.end("first", commits=["c"]) == ["second"]


def test_a_commit_in_the_scope_makes_the_task_be_read_again_first(house, work):
    house.offer(work("a", "src/x.py"))
    house.now = house.now.later(5)
    house.tables.recent.add("repo", Touch(house.now.wall, "s9", "other", "abc", "Fix x", ("src/x.py",)))

    effects = fill(house.tables, house.now)

    assert effects == [Reread(frozenset({"md"}))]
    assert fill(house.tables, house.now) == []  # asked once
    house.now = house.now.later(1)
    house.tables.rereading.clear()
    house.offer(work("a", "src/x.py"))
    assert house.fill() == ["a"]


def test_a_commit_of_the_same_task_does_not_hold_it_back(house, work):
    house.offer(work("a", "src/x.py"))
    house.now = house.now.later(5)
    house.tables.recent.add("repo", Touch(house.now.wall, "s9", "a", "abc", "Begin", ("src/x.py",)))

    assert house.fill() == ["a"]


def test_a_quota_holds_starts_back_until_its_window_has_passed(new_house, work):
    house = new_house(quotas=(Quota("plan", 1, 3600.0, ("sh",)),))
    house.offer(work("a", "a"), work("b", "b"))

    assert house.fill() == ["a"]
    skip = explain(house.tables, house.tables.backlog.work("b"), house.now)
    assert not isinstance(skip, Fit)
    assert skip.reason is Reason.QUOTA
    assert house.pass_time(3601) == ["b"]


def test_the_budget_of_a_task_wins_over_the_harness(house, work):
    house.offer(work("a", "a", budget=60.0))
    house.fill()

    budget = house.session("a").budget

    assert (budget.wall, budget.warn, budget.grace) == (60.0, 30.0, 10.0)


def test_a_capability_names_its_living_session_only(house, work):
    house.offer(work("a", "a"))
    house.fill()
    assert house.tables.roster.by_capability("secret-1") == "s1"

    house.news("a", HarnessStarted(ProcessId(1, 1), ProcessId(2, 1)))
    house.end("a", commits=["c"])

    assert house.tables.roster.by_capability("secret-1") is None
