"""What a session says of its task decides only what the evidence leaves open."""

from __future__ import annotations

import json

import msgspec
import pytest

from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.said import LONGEST, Kind, Said, first_line, heeded, spoken
from supervisor.core.tasks.notes import KEPT, TaskNote, with_note
from supervisor.core.tasks.standing import LastRun, Track
from supervisor.daemon.verbs.saying import _bounded, _given
from supervisor.world.control.errors import RpcError

DONE, BARE = Said(Kind.DONE, "it was there", 1.0), Said(Kind.DONE, "", 1.0)
BLOCKED = Said(Kind.BLOCKED, "no key", 1.0, 60.0)
OVER = Said(Kind.HANDED_OVER, "half of it", 1.0)
COMMIT = {"commits": ["abc"]}


def test_what_is_said_has_no_characters_that_a_terminal_obeys_or_no_program_can_be_given():
    assert _bounded(" a\0b\x1b[2J\n\tc\x9b\r\n ") == "ab\n\tc"
    with pytest.raises(RpcError, match="say something to note"):
        _given("\0 \x1b", "something to note")


@pytest.mark.parametrize(
    ("said", "outcome", "evidence", "counts"),
    [
        (DONE, Outcome.NO_CHANGE, {}, True),
        (BARE, Outcome.NO_CHANGE, {}, False),
        (BARE, Outcome.FAILED, COMMIT, True),
        (DONE, Outcome.FAILED, {}, False),
        (DONE, Outcome.TIMED_OUT, COMMIT, True),
        (DONE, Outcome.UNINTEGRATED, {**COMMIT, "branch": {}}, False),
        (BLOCKED, Outcome.FAILED, {}, True),
        (OVER, Outcome.FINISHED, COMMIT, True),
        (OVER, Outcome.TIMED_OUT, {}, True),
        *((said, outcome, COMMIT, False) for said in (DONE, BLOCKED, OVER) for outcome in
          (Outcome.STOPPED, Outcome.KILLED, Outcome.PREEMPTED, Outcome.RATE_LIMITED, Outcome.UNSPAWNED)),
        (None, Outcome.FINISHED, COMMIT, False),
    ],
)  # fmt: skip
def test_a_word_is_heeded_only_where_the_ending_is_the_sessions_own(said, outcome, evidence, counts):
    ending = Ending(outcome, "it ended", evidence)

    assert heeded(said, ending, expects_commit=True) == (said if counts else None)


def test_done_is_believed_of_a_task_that_expects_no_commit():
    assert heeded(BARE, Ending(Outcome.FAILED, ""), expects_commit=False) is BARE


def test_the_ending_tells_in_one_line_what_was_said_and_keeps_all_of_it():
    said = Said(Kind.HANDED_OVER, "the lexer\nthe parser", 1.0)

    ending = spoken(Ending(Outcome.FINISHED, "exited"), said)

    assert ending.sentence == "exited; it handed the task over: the lexer …"
    assert ending.evidence["said"] == {"kind": "handed_over", "text": "the lexer\nthe parser", "at": 1.0}
    assert spoken(ending, None) is ending


def test_a_long_line_is_cut_and_said_to_be():
    assert first_line("x" * LONGEST).endswith("x …")
    assert first_line("short") == "short"
    assert not Said(Kind.DONE, "x" * LONGEST, 0.0).fits_a_line()


@pytest.mark.parametrize("said", [DONE, BLOCKED, OVER, None])
def test_a_record_with_a_word_and_notes_reads_back_as_it_was_written(said):
    last = LastRun("s1", Outcome.NO_CHANGE, "it ended", 5.0, said=said)
    track = Track(last=last, notes=(TaskNote("operator", "look", 2.0),))

    assert Track.from_json(json.loads(json.dumps(track.as_json()))) == track


def test_a_record_of_an_earlier_version_has_no_word_and_no_notes():
    old = {
        "standing": "ready",
        "attempts": 1,
        "last": {
            "session": "s",
            "outcome": "failed",
            "sentence": "it failed",
            "at": 1.0,
            "commits": [],
            "dirty": [],
        },
    }

    track = Track.from_json(old)

    assert track.notes == ()
    assert track.last is not None
    assert track.last.said is None


def test_a_word_survives_the_way_it_is_kept_over_a_restart():
    assert msgspec.convert(msgspec.to_builtins(BLOCKED), Said) == BLOCKED


def test_the_oldest_notes_give_way():
    notes: tuple[TaskNote, ...] = ()
    for number in range(KEPT + 3):
        notes = with_note(notes, TaskNote("operator", str(number), 0.0))

    assert len(notes) == KEPT
    assert notes[-1].text == str(KEPT + 2)
