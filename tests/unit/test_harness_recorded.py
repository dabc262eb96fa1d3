"""What real agents printed while a scripted model read, tried a leased file, edited another one and committed.

The recordings are real but for long texts that were cut. Each run has six model calls of 1,200 tokens in and 50 out.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.registry import find

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.jsonl"))
NO_TOKENS = {"copilot"}
TELLS_ITS_MODEL = {"claude", "gemini", "qwen", "pi", "copilot"}


def lines(name: str) -> list[bytes]:
    return (RECORDED / f"{name}.jsonl").read_bytes().splitlines()


def heard(name: str, given: list[bytes]) -> Reading:
    reading = Reading(now=1000.0)
    for line in given:
        find(name).hear(line, reading)
    return reading


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_understood(name: str) -> None:
    reading = heard(name, lines(name))

    assert reading.turns == 6
    assert reading.tool_calls in {4, 5}  # one of them lists no call that its hook refused
    assert reading.native_session
    assert list(reading.files) == ["/repo/app.py"]
    assert reading.result == "All done."
    assert reading.final
    assert reading.odd == 0
    assert bool(reading.model) == (name in TELLS_ITS_MODEL)
    if name not in NO_TOKENS:
        assert (reading.tokens_in, reading.tokens_out) == (7200, 300)
    verdict = find(name).ending(reading, 0, None)
    assert verdict is not None
    assert verdict.kind is VerdictKind.SUCCESS


@pytest.mark.parametrize("name", [name for name in NAMES if name != "codex"])
def test_the_refusal_of_its_edit_hook_is_seen_but_by_codex_which_tells_it_on_standard_error(
    name: str,
) -> None:
    reading = heard(name, lines(name))

    assert any(
        "LEASE DENIED: held.py" in event.text for event in reading.events if event.kind == "tool_error"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_cut_off_is_incomplete(name: str) -> None:
    given = lines(name)
    verdict = find(name).ending(heard(name, given[: len(given) // 2]), 0, None)

    assert verdict is not None
    assert verdict.kind is VerdictKind.INCOMPLETE


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_changed_format_is_fatal(name: str) -> None:
    for line in lines(name):
        whole = json.loads(line)
        for odd in (None, 7, "x", [], {}, [None], {"type": 3}):
            for key in whole:
                heard(name, [json.dumps(whole | {key: odd}).encode()])
                inner = whole[key]
                if isinstance(inner, dict):
                    for name_inside in inner:
                        changed = whole | {key: inner | {name_inside: odd}}
                        heard(name, [json.dumps(changed).encode()])
