"""What agents say of a model server in trouble, in words that real ones printed."""

from __future__ import annotations

import pytest

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.failures import judge, kind_of
from supervisor.world.harness.registry import find


def test_a_model_server_that_could_not_be_connected_to_is_unreachable():
    words = "query: Could not connect to local model provider at http://127.0.0.1:4262/v1."

    assert kind_of(None, words) is VerdictKind.UNREACHABLE


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("pi", "No API key found for the selected model."),
        ("gptme", "No provider configured, couldn't auto-detect model."),
        ("mini-swe-agent", "ValueError: No default model set. Please run `mini-extra config setup` to set"),
    ],
)
def test_an_agent_that_nobody_gave_an_account_stops_it_instead_of_failing_its_tasks(agent, words):
    reading = Reading(errors=words)

    verdict = judge(reading, 1, None, name=agent)

    assert verdict.kind is VerdictKind.AUTH
    assert words[:30] in verdict.sentence


def test_a_socket_that_cannot_be_opened_is_a_model_server_out_of_reach():
    words = "Cannot connect to API: Was there a typo in the url or port? (FailedToOpenSocket)"

    assert kind_of(None, words) is VerdictKind.UNREACHABLE


def test_aider_that_waits_for_a_login_in_a_browser_has_no_account():
    reading, aider = Reading(), find("aider")
    for line in (
        b"Please open this URL in your browser to connect Aider with OpenRouter:",
        b"Waiting up to 5 minutes",
    ):
        aider.hear(line, reading)

    verdict = aider.ending(reading, 1, None)
    assert verdict is not None
    assert verdict.kind is VerdictKind.AUTH
