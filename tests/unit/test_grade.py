"""The grade of a session follows from the evidence of its end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.history.grade import PASS, Grade, grade
from supervisor.core.history.grades import Arm, Grades
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.daemon.outcomes import bracket, report
from supervisor.world.git.reverts import _parsed
from supervisor.world.journal.entries import SessionRow

COMMITS = {"commits": ["a"]}
DONE = {"said": {"kind": "done", "text": "it was there"}}
BLOCKED = {"said": {"kind": "blocked", "text": "no key"}}


def graded(outcome, evidence, *, elapsed=0.0, checked=False, expects=True):
    found = grade(
        Ending(outcome, "", evidence), elapsed=elapsed, budget=100.0, expects_commit=expects, checked=checked
    )
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("outcome", "evidence", "value"),
    [
        (Outcome.FINISHED, COMMITS, 0.9),
        (Outcome.UNINTEGRATED, {**COMMITS, "branch": {"hitch": "held"}}, 0.8),
        (Outcome.UNINTEGRATED, {**COMMITS, "branch": {"hitch": "conflict"}}, 0.5),
        (Outcome.NO_CHANGE, DONE, 0.5),
        (Outcome.NO_CHANGE, {"said": {"kind": "done", "text": ""}}, 0.1),
        (Outcome.NO_CHANGE, {}, 0.1),
        (Outcome.NO_CHANGE, BLOCKED, None),
        (Outcome.FAILED, BLOCKED, None),
        (Outcome.FAILED, COMMITS, 0.4),
        (Outcome.FAILED, {**COMMITS, "branch": {"hitch": "check"}}, 0.3),
        (Outcome.TIMED_OUT, {**COMMITS, "branch": {"hitch": "unfinished"}}, 0.2),
        (Outcome.STALLED, {"salvage": {"id": "x"}}, 0.2),
        (Outcome.FAILED, {}, 0.0),
        *((outcome, COMMITS, None) for outcome in (
            Outcome.STOPPED, Outcome.KILLED, Outcome.PREEMPTED, Outcome.RATE_LIMITED, Outcome.UNAVAILABLE, Outcome.LOST, Outcome.UNSPAWNED)),
    ],
)  # fmt: skip
def test_each_ending_has_its_worth_or_none(outcome, evidence, value):
    assert graded(outcome, evidence) == value


def test_a_check_that_passed_is_worth_more_than_none():
    assert graded(Outcome.FINISHED, COMMITS, checked=True) == 1.0


@pytest.mark.parametrize(("elapsed", "value"), [(0, 0.9), (50, 0.9), (75, 0.855), (100, 0.81), (500, 0.81)])
def test_the_second_half_of_the_budget_costs_up_to_a_tenth(elapsed, value):
    assert graded(Outcome.FINISHED, COMMITS, elapsed=elapsed) == value


@pytest.mark.parametrize(("reverted", "value"), [(0, 0.9), (1, 0.54), (2, 0.18), (3, 0.18)])
def test_reverted_commits_take_most_of_the_grade(reverted, value):
    assert Grade(0.9, 1.0, commits=2).with_reverts(reverted).value == value


def test_a_graders_word_takes_the_place_of_work_and_thrift_but_reverts_still_count():
    found = Grade(0.9, 0.95, commits=1).by_command(0.6, "no tests")

    assert found.value == 0.6
    assert found.with_reverts(1).value == 0.12


@given(
    st.sampled_from(Outcome),
    st.booleans(),
    st.booleans(),
    st.integers(0, 5),
    st.integers(0, 9),
    st.floats(0, 1e9),
    st.floats(0, 1e6),
)
def test_a_grade_is_never_outside_zero_to_one(outcome, expects, checked, commits, reverted, elapsed, budget):
    found = grade(
        Ending(outcome, "", {"commits": ["x"] * commits}),
        elapsed=elapsed,
        budget=budget,
        expects_commit=expects,
        checked=checked,
    )
    if found is not None:
        assert 0.0 <= found.with_reverts(reverted).value <= 1.0
        assert Grade.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_tally_is_what_was_added_and_changed():
    grades, arm = Grades(), Arm("lane", "claude", "sonnet")

    grades.add(arm, 0.9)
    grades.add(arm, 0.5)
    grades.change(arm, 0.9, 0.1)

    assert grades.of(arm).n == 2
    assert grades.of(arm).mean == pytest.approx(0.3)
    assert grades.of(Arm("lane", "codex", "")).mean is None


def row(number, harness, value, *, tier="", model="", lane="", schedule=None, outcome="finished"):
    intent = {"harness": harness, "model": model, "tier": tier, "lane": lane, "schedule": schedule}
    told = None if value is None else {"value": value}
    return SessionRow(
        f"s{number}", f"t{number}", intent, "ended", 10.0, 20.0, outcome, {"sentence": ""}, told
    )


def test_the_report_has_mean_pass_share_and_number_by_harness_tier_lane_and_schedule():
    rows = [
        row(1, "claude", 0.9, tier="sonnet", lane="docs", schedule="nightly"),
        row(2, "claude", PASS, tier="sonnet", lane="docs"),
        row(3, "claude", 0.1, tier="budget", lane="code", outcome="no_change"),
        row(4, "codex", None, model="gpt", outcome="stopped"),
    ]

    found = report(rows)

    assert [entry["told"] for entry in found["by_harness"]] == [
        "[budget=0.10/0%(n=1) sonnet=0.70/100%(n=2)]",
        "[gpt=-(n=0)]",
    ]
    assert found["by_harness"][0]["grade"] == {"mean": 0.5, "pass_share": 0.667, "n": 3}
    assert found["by_harness"][0]["finished_share"] == 0.667
    assert found["by_harness"][1]["grade"] == {"mean": None, "pass_share": None, "n": 0}
    assert [(entry["lane"], entry["n"]) for entry in found["by_lane"]] == [("", 1), ("code", 1), ("docs", 2)]
    assert [(entry["schedule"], entry["n"]) for entry in found["by_schedule"]] == [("nightly", 1)]
    assert found["outcomes"] == {"finished": 2, "no_change": 1, "stopped": 1}


def test_a_session_that_was_asked_for_no_model_counts_for_the_one_that_its_harness_told():
    told = row(1, "claude", 0.9)
    heard = SessionRow(
        told.id, told.task, told.intent, told.state, 1.0, 2.0, "finished",
        {"sentence": "", "evidence": {"heard": {"model": "claude-sonnet-4"}}}, told.grade,
    )  # fmt: skip

    found = report([heard])

    assert found["by_model"][0]["model"] == "claude-sonnet-4"
    assert found["by_harness"][0]["told"] == "[claude-sonnet-4=0.90/100%(n=1)]"


def test_the_report_sums_what_harnesses_told_of_tokens_and_cost_and_counts_those_that_told_nothing():
    def heard(number, harness, **told):
        of = row(number, harness, 0.9)
        return replace(of, ending={"sentence": "", "evidence": {"heard": told}})

    rows = [
        heard(1, "claude", tokens_in=100, tokens_out=20, cost_usd=0.25),
        heard(2, "claude", tokens_in=1000, tokens_out=None, cost_usd=None),
        heard(3, "mini", tokens_in=None, tokens_out=None, cost_usd=0.5),
        row(4, "sh", None),
    ]

    found = report(rows)

    assert found["used"] == {"tokens": 1120, "cost_usd": 0.75, "untold": 1}
    by = {entry["harness"]: entry["used"] for entry in found["by_harness"]}
    assert by["claude"] == {"tokens": 1120, "cost_usd": 0.25, "untold": 0}
    assert by["sh"] == {"tokens": 0, "cost_usd": 0.0, "untold": 1}


def test_the_report_counts_by_repository():
    rows = [
        replace(of, intent={**of.intent, "task": {"repo": repo}})
        for of, repo in ((row(1, "sh", 0.9), "app"), (row(2, "sh", 0.1), "api"), (row(3, "sh", 0.9), "app"))
    ]

    assert [(entry["repo"], entry["n"]) for entry in report(rows)["by_repo"]] == [("api", 1), ("app", 2)]


def test_the_form_in_brackets_is_the_one_that_users_know():
    parts = [
        {"label": "sonnet", "grade": {"mean": 0.614, "pass_share": 0.8636, "n": 88}},
        {"label": "budget", "grade": {"mean": 0.49, "pass_share": 0.51, "n": 52}},
    ]

    assert bracket(parts) == "[sonnet=0.61/86%(n=88) budget=0.49/51%(n=52)]"


def test_a_revert_that_was_itself_reverted_counts_no_more():
    def entry(sha, at, body):
        return f"{sha * 40} {at}\n{body}".encode()

    log = b"\0".join(
        [
            entry("d", 400, "Revert 'c'\n\nThis reverts commit " + "c" * 40 + "."),
            entry("c", 300, "Revert 'a'\n\nThis reverts commit " + "a" * 40 + "."),
            entry("b", 200, "Revert 'e'\n\nThis reverts commit " + "e" * 40 + "."),
            b"",
        ]
    )

    assert _parsed(log) == {"c" * 40: 400.0, "e" * 40: 200.0}
