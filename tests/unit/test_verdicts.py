"""A harness's own last word, its exit and what it left: together they name the ending."""

from __future__ import annotations

import pytest

from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.outcome import Outcome, judge
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.core.sessions.remains import Landed, Remains
from supervisor.core.sessions.verdicts import Told, is_question, weigh_end
from supervisor.core.tasks.task import Expects

COMMIT = Remains((Landed("a" * 40, "subject", 1.0),))


def verdict(kind: VerdictKind) -> Verdict:
    return Verdict(kind, f"it was {kind.value}")


@pytest.mark.parametrize(
    ("kind", "code", "remains", "outcome"),
    [
        (VerdictKind.SUCCESS, 0, COMMIT, Outcome.FINISHED),
        (VerdictKind.SUCCESS, 0, Remains(), Outcome.NO_CHANGE),
        (VerdictKind.SUCCESS, 1, COMMIT, Outcome.FINISHED),
        (VerdictKind.SUCCESS, 1, Remains(), Outcome.FAILED),
        (VerdictKind.RATE_LIMITED, 0, COMMIT, Outcome.RATE_LIMITED),
        (VerdictKind.RATE_LIMITED, 1, Remains(), Outcome.RATE_LIMITED),
        (VerdictKind.AUTH, 0, Remains(), Outcome.UNAVAILABLE),
        (VerdictKind.UNREACHABLE, 1, Remains(), Outcome.UNAVAILABLE),
        (VerdictKind.CONTEXT_EXHAUSTED, 0, COMMIT, Outcome.FAILED),
        (VerdictKind.REFUSED, 0, Remains(), Outcome.FAILED),
        (VerdictKind.WAITING_FOR_HUMAN, 0, Remains(), Outcome.FAILED),
        (VerdictKind.BUDGET, 1, COMMIT, Outcome.FAILED),
        (VerdictKind.MAX_TURNS, 0, COMMIT, Outcome.FAILED),
        (VerdictKind.ABORTED, 0, COMMIT, Outcome.FAILED),
        (VerdictKind.ERROR, 0, COMMIT, Outcome.FAILED),
        (VerdictKind.INCOMPLETE, 0, COMMIT, Outcome.FAILED),
        (VerdictKind.INCOMPLETE, 75, Remains(), Outcome.FAILED),
    ],
)
def test_the_last_word_counts_for_more_than_the_exit_code(
    kind: VerdictKind, code: int, remains: Remains, outcome: Outcome
) -> None:
    ending = judge(ExitRecord("exited", code=code), remains, Expects.COMMIT, told=Told(verdict(kind)))

    assert ending.outcome is outcome
    assert ending.evidence["verdict"]["kind"] == kind.value
    if kind is not VerdictKind.SUCCESS:
        assert f"it was {kind.value}" in ending.sentence


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        ("budget", Outcome.TIMED_OUT),
        ("stop", Outcome.STOPPED),
        ("kill", Outcome.KILLED),
        ("preempt", Outcome.PREEMPTED),
        ("quota", Outcome.OVER_QUOTA),
    ],
)
def test_whoever_ended_a_session_outranks_what_its_harness_said_of_that(cause: str, outcome: Outcome) -> None:
    told = Told(verdict(VerdictKind.RATE_LIMITED))

    assert judge(ExitRecord(cause, signal=15), Remains(), Expects.COMMIT, told=told).outcome is outcome


def test_a_session_that_stood_still_over_retries_was_held_up_by_what_it_retried() -> None:
    reading = Reading()
    reading.note("retry", "529 overloaded, attempt 9 of 10", {"kind": "rate_limited"})
    incomplete = Verdict(VerdictKind.INCOMPLETE, "no last event")
    found = weigh_end(ExitRecord("stall", signal=15), reading, incomplete, "")

    assert found is not None
    assert found.kind is VerdictKind.RATE_LIMITED
    ending = judge(ExitRecord("stall", signal=15), Remains(), Expects.COMMIT, told=Told(found))
    assert ending.outcome is Outcome.RATE_LIMITED
    assert "529 overloaded" in ending.sentence


def test_a_harness_that_went_on_after_a_retry_is_not_held_up_by_it() -> None:
    reading = Reading()
    reading.note("retry", "529 overloaded", {"kind": "rate_limited"})
    reading.say("going on")
    found = weigh_end(ExitRecord("stall", signal=15), reading, None, "")

    assert found is None


@pytest.mark.parametrize(
    "line",
    [
        "Continue? [y/N] ",
        "Do you trust this folder?",
        "Password:",
        "Overwrite app.py (y/n): ",
        "Proceed [Yes/No]",
        "Ok to proceed? (y) ",
        "Use it [Y/n/always]:",
        "Enter passphrase for key '/root/.ssh/id':",
    ],
)
def test_a_question_as_the_last_line_waits_for_a_human(line: str) -> None:
    assert is_question(line)
    found = weigh_end(ExitRecord("startup", signal=15), Reading(), None, line)

    assert found is not None
    assert found.kind is VerdictKind.WAITING_FOR_HUMAN
    assert line.strip() in found.sentence


def test_a_question_on_standard_error_waits_too_if_it_was_the_last_that_was_written() -> None:
    asked = Reading(errors="npm warn\nOk to proceed? (y) ", errors_latest=True)
    earlier = Reading(errors="Ok to proceed? (y) ")
    record = ExitRecord("stall", signal=15)

    found = weigh_end(record, asked, None, "working")
    assert found is not None
    assert 'an answer to "Ok to proceed? (y)"' in found.sentence
    assert weigh_end(record, earlier, None, "working") is None


def test_what_a_session_stood_before_until_its_budget_was_used_up_is_in_its_ending() -> None:
    retrying, record = Reading(), ExitRecord("budget", signal=15)
    retrying.note("retry", "429 Too Many Requests, attempt 9", {"kind": "rate_limited"})
    for reading, line, words in (
        (retrying, "", "429 Too Many Requests, attempt 9"),
        (Reading(), "Do you trust this folder?", 'an answer to "Do you trust this folder?"'),
    ):
        ending = judge(record, Remains(), Expects.COMMIT, told=Told(weigh_end(record, reading, None, line)))
        assert ending.outcome is Outcome.TIMED_OUT
        assert words in ending.sentence


@pytest.mark.parametrize("line", ["", "done.", "what? no", "[y/n] was asked", "password: given"])
def test_other_last_lines_are_no_question(line: str) -> None:
    assert not is_question(line)


def test_a_session_that_was_lost_keeps_what_was_heard_of_it() -> None:
    from supervisor.core.sessions.outcome import judge_lost

    assert judge_lost("gone", Remains(), Told(None, {"turns": 3})).evidence["heard"] == {"turns": 3}
