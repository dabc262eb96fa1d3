"""Another package's adapter is held to the protocol: what its code returns or raises goes no further than its name in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from supervisor.core.sessions.reading import TEXT_LIMIT, Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import Prepared, Start
from supervisor.world.harness.command import Command
from supervisor.world.harness.foreign import Foreign, ForeignError, faults_of

START = Start(("agent",), "s1", "native", Path("/home/s1"), Path("/home/me"))


def lost(*_args: Any) -> Any:
    raise RuntimeError("lost")


def foreign(**methods: Any) -> Foreign:
    inner = Command()
    for name, method in methods.items():
        setattr(inner, name, method)
    return Foreign(inner, "mine")


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("can", None, "can is no set of texts"),
        ("can", [3], "can is no set of texts"),
        ("tested", None, "tested is no text"),
        ("stop", "NO", 'stop is "NO", which is no signal; write for instance "TERM"'),
    ],
)
def test_attributes_that_are_not_what_the_protocol_says_are_named(
    attribute: str, value: object, told: str
) -> None:
    inner = Command()
    assert faults_of(inner) == []
    setattr(inner, attribute, value)

    assert faults_of(inner) == [told]


def test_it_is_called_as_the_entry_point_is() -> None:
    assert foreign().name == "mine"


@pytest.mark.parametrize(
    ("prepared", "told"),
    [
        (None, "which is no Prepared"),
        (Prepared(()), "which is no command"),
        (Prepared("true"), "which is no command"),  # type: ignore[arg-type]
        (Prepared(("a\0b",)), "which is no command"),
        (Prepared(("a",), {"A": 3}), "it maps texts to str"),  # type: ignore[dict-item]
        (Prepared(("a",), files={"x": "text"}), "it maps texts to bytes"),  # type: ignore[dict-item]
        (Prepared(("a",), files={"a/../../x": b""}), "outside the session's home"),
        (Prepared(("a",), links={"/etc/x": Path("/x")}), "outside the session's home"),
        (Prepared(("a",), over={"x": Path("/x")}), "which is none of its files"),
    ],
)
def test_a_start_that_no_session_can_be_given_is_refused(prepared: Any, told: str) -> None:
    with pytest.raises(ForeignError, match=told):
        foreign(prepare=lambda _start: prepared).prepare(START)


def test_a_program_that_is_none_is_refused() -> None:
    with pytest.raises(ForeignError, match="real returned None, which is no command"):
        foreign(real=lambda _found: None).real(Path("/bin/x"))


@pytest.mark.parametrize(
    "values",
    [
        {"tokens_in": "many", "turns": None, "model": 3},
        {"events": None, "files": [], "final": "yes"},
        {"files": {Path("x"): None}},
        {"cost_usd": float("nan"), "retry_at": float("inf"), "turns": -3, "lines": True},
        {"error": "auth"},
    ],
)
def test_what_it_puts_into_a_reading_is_taken_back_where_it_is_no_fact(values: dict[str, object]) -> None:
    def hear(_line: bytes, reading: Reading) -> None:
        for name, value in values.items():
            setattr(reading, name, value)

    reading = Reading()
    foreign(hear=hear).hear(b"line", reading)

    assert reading == Reading()


def test_a_line_that_it_fails_on_is_odd_and_a_text_is_cut() -> None:
    reading = Reading()
    foreign(hear=lost).hear(b"line", reading)
    foreign(hear=lambda _line, read: setattr(read, "message", "x" * 100_000)).hear(b"line", reading)

    assert (reading.odd, len(reading.message)) == (1, TEXT_LIMIT)


@pytest.mark.parametrize(
    "verdict",
    [
        "success",
        Verdict("success", "done"),  # type: ignore[arg-type]
        Verdict(VerdictKind.SUCCESS, None),  # type: ignore[arg-type]
        Verdict(VerdictKind.RATE_LIMITED, "429", float("nan")),
    ],
)
def test_a_verdict_that_is_none_is_left_to_the_exit_code(verdict: Any) -> None:
    assert foreign(ending=lambda *_args: verdict).ending(Reading(), 0, None) is None
    assert foreign(ending=lost).ending(Reading(), 0, None) is None


def test_a_sound_verdict_is_passed_on() -> None:
    verdict = Verdict(VerdictKind.RATE_LIMITED, "429", 1000.0)

    assert foreign(ending=lambda *_args: verdict).ending(Reading(), 0, None) == verdict
