"""Every combination of what can be found of a session, and what follows from it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from supervisor.core.sessions.reconcile import (
    Adopt,
    Exit,
    Finalise,
    Found,
    Lock,
    Lost,
    NeverStarted,
    Nothing,
    Remains,
    Row,
    Spec,
    Stray,
    Wait,
    Withdraw,
    Worker,
    judge,
)

EVERY = [Found(*facts) for facts in itertools.product(Row, Spec, Lock, Worker, Exit, Remains, (True, False))]
ALIVE_IN_JOURNAL = {Row.STARTING, Row.BEGUN}
OVER = (Finalise, Lost, NeverStarted)


def test_every_combination_has_one_verdict_and_a_sentence_of_evidence():
    verdicts = [judge(found) for found in EVERY]

    assert all(verdict.why and verdict.why == verdict.why.strip() for verdict in verdicts)
    assert {type(verdict) for verdict in verdicts} == {
        *(Adopt, Finalise, Lost, NeverStarted, Withdraw, Wait, Stray, Nothing)
    }


def test_promise_14_unknown_is_not_dead():
    for found in EVERY:
        if found.lock in {Lock.HELD, Lock.UNKNOWN} and found.row in ALIVE_IN_JOURNAL:
            assert isinstance(judge(found), Wait), found


def test_promise_1_a_session_is_only_over_when_no_worker_of_it_lives_and_none_can_come():
    for found in EVERY:
        if isinstance(judge(found), OVER):
            assert found.lock in {Lock.FREE, Lock.ABSENT}, found
            assert found.worker is not Worker.LIVING, found
        if isinstance(judge(found), NeverStarted):
            assert found.spec is not Spec.READY, found  # a worker that comes late would find nothing to start


def test_promise_9_only_a_proven_worker_is_adopted():
    for found in EVERY:
        if isinstance(judge(found), Adopt):
            assert found.lock is Lock.PROVEN or found.worker is Worker.LIVING, found


def test_a_session_that_the_journal_does_not_call_alive_is_never_adopted_or_ended():
    for found in EVERY:
        if found.row not in ALIVE_IN_JOURNAL:
            assert isinstance(judge(found), Stray | Wait | Nothing), found


def test_nothing_that_lives_goes_unmentioned():
    for found in EVERY:
        if isinstance(judge(found), Nothing):
            assert found.lock in {Lock.FREE, Lock.ABSENT}, found
            assert found.worker is not Worker.LIVING, found
            assert found.remains is Remains.NONE, found


def test_an_exit_record_is_believed_only_when_its_worker_is_gone_and_it_is_the_sessions_own():
    for found in EVERY:
        if isinstance(judge(found), Finalise):
            assert found.exit is Exit.OWN, found
        if found.exit is Exit.OWN and found.lock is Lock.PROVEN and found.row in ALIVE_IN_JOURNAL:
            assert isinstance(judge(found), Adopt), found


def test_a_session_whose_harness_ran_is_never_called_unspawned():
    for found in EVERY:
        if isinstance(judge(found), NeverStarted | Withdraw):
            assert found.row is Row.STARTING, found
            assert found.worker is Worker.MISSING, found
            assert found.exit is Exit.MISSING, found


def test_waiting_for_a_worker_on_its_way_ends_with_the_patience():
    waiting = [found for found in EVERY if found.patient and isinstance(judge(found), Wait)]

    for found in waiting:
        later = replace(found, patient=False)
        if found.lock in {Lock.FREE, Lock.ABSENT} and found.row in ALIVE_IN_JOURNAL:
            assert isinstance(judge(later), Withdraw), later


@pytest.mark.parametrize(
    ("worker", "exit_record", "told"),
    [
        (Worker.OTHER_BOOT, Exit.MISSING, "the machine was started anew while it ran"),
        (Worker.GONE, Exit.MISSING, "the worker ended without writing a record"),
        (
            Worker.GONE,
            Exit.FOREIGN,
            "the worker ended, and the exit record in its folder is another session's",
        ),
        (
            Worker.ANOTHER,
            Exit.MISSING,
            f"the worker ended without writing a record; {Worker.ANOTHER.value}",
        ),
    ],
)
def test_a_lost_session_says_what_was_found(worker, exit_record, told):
    found = Found(Row.BEGUN, Spec.READY, Lock.FREE, worker, exit_record, Remains.NONE)

    assert judge(found) == Lost(told)
