"""What agents print is shown without what a terminal obeys."""

from __future__ import annotations

import json

import pytest

from supervisor.core.sessions.masking import Masks
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.core.sessions.verdicts import Told
from supervisor.core.sessions.visible import visible

RED = "\x1b[31;1mred\x1b[0m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext ü 漢", "plain\n\ttext ü 漢"),
        (RED, "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b(Bb\x1bMc", "abc"),
        ("over\rwritten\x08\x07\x00", "overwritten"),
        ("\u202eesrever\u2069 \ud800", "esrever "),
        ("\x9b2Jc1", "c1"),
        ("open \x1b", "open "),
    ],
)
def test_escape_sequences_and_controls_are_taken_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_the_facts_and_the_verdict_of_a_session_are_as_they_may_be_shown() -> None:
    reading = Reading(model=RED)
    reading.say(RED)
    reading.touch(RED)
    reading.fail(VerdictKind.ERROR, RED)
    reading.conclude()

    assert "\\u001b" not in json.dumps(reading.as_json())
    told = Told(Verdict(VerdictKind.ERROR, f"key sk-\x1b[0m{'a' * 30} {RED}")).masked(Masks())
    assert told.verdict is not None
    assert told.verdict.sentence == "key [masked] red"
