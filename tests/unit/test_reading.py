"""What a harness told of itself: bounded, and honest about what it did not tell."""

from __future__ import annotations

import pytest

from supervisor.core.sessions.reading import EVENTS_LIMIT, FILES_LIMIT, TEXT_LIMIT, Reading, VerdictKind


def test_what_a_harness_did_not_tell_is_none_and_not_zero() -> None:
    found = Reading().as_json()

    assert [found[name] for name in ("tokens_in", "tokens_out", "tokens_cached", "cost_usd")] == [None] * 4


def test_a_reading_stays_small_whatever_is_heard() -> None:
    reading = Reading()
    for number in range(10_000):
        reading.say("x" * 100_000)
        reading.touch(f"file-{number}")

    assert len(reading.message) == TEXT_LIMIT
    assert len(reading.events) == EVENTS_LIMIT
    assert len(reading.files) == FILES_LIMIT
    assert reading.as_json()["files_more"] == 10_000 - FILES_LIMIT


def test_tokens_of_calls_are_added_and_a_total_is_never_less() -> None:
    reading = Reading()
    reading.used(10, 2)
    reading.used(20, 3, 4)
    reading.total(29, 9)

    assert (reading.tokens_in, reading.tokens_out, reading.tokens_cached) == (30, 9, 4)


@pytest.mark.parametrize("nonsense", [None, "12", -1, 1.5, True, 1 << 60, [], {}])
def test_a_count_that_is_none_changes_nothing(nonsense: object) -> None:
    reading = Reading()
    reading.used(nonsense, nonsense)
    reading.total(nonsense, nonsense)

    assert reading.tokens_in is None
    assert reading.tokens_out is None


@pytest.mark.parametrize("nonsense", [None, "0.1", -1.0, float("nan"), float("inf"), True])
def test_a_cost_that_is_none_changes_nothing(nonsense: object) -> None:
    reading = Reading()
    reading.costs(nonsense)

    assert reading.cost_usd is None


def test_progress_is_what_model_and_tools_did_and_not_a_retry() -> None:
    reading = Reading()
    before = reading.progress()
    reading.fail(VerdictKind.RATE_LIMITED, "429, tried again in 5 s", 1005.0)
    assert reading.progress() == before

    reading.call("Bash", "make")
    assert reading.progress() != before


def test_an_error_that_the_harness_got_over_is_forgotten() -> None:
    reading = Reading()
    reading.fail(VerdictKind.UNREACHABLE, "connection refused")
    assert reading.as_json()["error"]["kind"] == "unreachable"

    reading.recovered()
    assert "error" not in reading.as_json()


def test_without_a_result_in_words_the_last_message_is_the_result() -> None:
    reading = Reading()
    reading.say("done, three files")
    reading.conclude()

    assert reading.final
    assert reading.result == "done, three files"
