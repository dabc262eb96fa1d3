"""When a limit ends, as providers and agents word it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from supervisor.core.sessions.reading import Reading
from supervisor.world.harness.registry import find
from supervisor.world.harness.resets import reset_in

NOW = datetime(2026, 3, 10, 17, 30, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("words", "later"),
    [
        (f"Claude AI usage limit reached|{int(NOW) + 7200}", 2 * HOUR),
        ("You've hit your limit · resets 3pm (America/New_York)", 1.5 * HOUR),
        ("You've hit your session limit · resets 12:15am (UTC)", 6.75 * HOUR),
        ("5-hour limit reached ∙ resets 1pm (America/New_York)", 23.5 * HOUR),
        ("You've hit your weekly limit · resets Mar 14 at 5:30pm (UTC)", 4 * DAY),
        ("Rate limit reached for gpt-5 on tokens per min. Please try again in 20s.", 20.0),
        ("Please try again in 1m2.5s. Visit", 62.5),
        ("Please try again in 350ms", 0.35),
        ("You've hit your usage limit. Try again in 3 days 4 hours 5 minutes.", 3 * DAY + 4 * HOUR + 5 * MINUTE),
        ("You've hit your usage limit, try again in 2 hours, 1 minute and 30 seconds", 2 * HOUR + 90.0),
        ('{"error":{"code":429,"details":[{"@type":"RetryInfo","retryDelay":"34s"}]}}', 34.0),
        ("You have exhausted your capacity on this model. Your quota will reset after 18h17m27s.", 18 * HOUR + 17 * MINUTE + 27.0),
        ("429 Too Many Requests, retry-after: 120", 120.0),
        ("rate limited; Retry after 30 seconds", 30.0),
        ("rate limited; retry after 5 minutes", 300.0),
        ("limit reached, resets at 2026-03-10T18:00:00Z", HOUR / 2),
        ("limit reached, try again after 2026-03-10T19:30:00+01:00", HOUR),
    ],
)  # fmt: skip
def test_the_end_of_a_limit_is_found_in_its_words(words: str, later: float) -> None:
    assert reset_in(words, NOW) == pytest.approx(NOW + later)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "429 rate_limit_error",
        "This request would exceed your limit of 40,000 input tokens per minute",
        "limit reached, resets 3pm",  # of which zone is not told
        "resets 3pm (Nowhere/Atall)",
        "resets Feb 31 at 3pm (UTC)",
        "usage limit reached|1000000000",
        "usage limit reached|9999999999",
        "try again in 400 days",
        "retry-after: 99999999999999999999",
        "try again in " + "9" * 400 + "s",
        "after 3 tries, gave up",
    ],
)
def test_words_that_name_no_hour_to_come_tell_none(words: str) -> None:
    assert reset_in(words, NOW) is None


def test_claude_code_tells_the_reset_in_an_event_of_its_own() -> None:
    reading = Reading(now=NOW)
    claude = find("claude")
    for event in (
        {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": int(NOW) + 600}},
        {"type": "result", "is_error": True, "api_error_status": 429, "result": "You've hit your limit"},
    ):
        claude.hear(json.dumps(event).encode(), reading)

    verdict = claude.ending(reading, 1, None)
    assert verdict is not None
    assert verdict.retry_at == NOW + 600


def test_a_warning_before_the_limit_says_nothing_of_an_error_that_has_another_reason() -> None:
    reading = Reading(now=NOW)
    claude = find("claude")
    for event in (
        {
            "type": "rate_limit_event",
            "rate_limit_info": {"status": "allowed_warning", "resetsAt": int(NOW) + 600},
        },
        {"type": "result", "is_error": True, "api_error_status": 429, "result": "rate_limit_error"},
    ):
        claude.hear(json.dumps(event).encode(), reading)

    assert reading.retry_at is None
