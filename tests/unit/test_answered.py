"""When a model counts as having answered: what an agent words itself over an error is no answer."""

from __future__ import annotations

import json

import pytest

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.failures import kind_of, status_in
from supervisor.world.harness.model_server import model_server
from supervisor.world.harness.registry import find

AWAY = "API Error: Connection refused (ECONNREFUSED)"
NOTHING = {"input_tokens": 0, "output_tokens": 0}
CLAUDE = (
    {"type": "system", "subtype": "init", "session_id": "n", "model": "claude-x"},
    {
        "type": "assistant",
        "message": {
            "id": "m1",
            "model": "<synthetic>",
            "content": [{"type": "text", "text": AWAY}],
            "usage": NOTHING,
        },
    },
    {
        "type": "result",
        "subtype": "success",
        "is_error": True,
        "result": AWAY,
        "num_turns": 1,
        "usage": NOTHING,
    },
)
PI = (
    {"type": "turn_start"},
    {
        "type": "message_end",
        "message": {"role": "assistant", "stopReason": "error", "errorMessage": "Connection error."},
    },
    {"type": "agent_end"},
)


@pytest.mark.parametrize(("name", "told"), [("claude", CLAUDE), ("pi", PI)])
def test_an_agent_whose_model_server_is_away_was_not_answered_and_made_no_progress(name, told):
    reading = Reading()
    for event in told:
        find(name).hear(json.dumps(event).encode(), reading)
        assert not reading.answered()

    assert reading.error is VerdictKind.UNREACHABLE
    assert not any(reading.progress())


def test_words_without_a_count_of_tokens_are_an_answer():
    reading = Reading(turns=1)
    assert not reading.answered()
    reading.say("I begin.")

    assert reading.answered()


def test_a_status_inside_a_json_error_is_understood():
    words = '[API Error: {"error":{"code":401,"message":"bad","status":"UNAUTHENTICATED"}}]'

    assert status_in(words) == 401
    assert kind_of(None, "UNAUTHENTICATED") is VerdictKind.AUTH


def test_the_model_server_is_named_without_what_lets_one_in():
    env = {"ANTHROPIC_BASE_URL": "https://me:secret@host:8443/v1?key=k", "OPENAI_BASE_URL": "http://other"}

    assert model_server("claude", env, ()) == "https://host:8443/v1"
    assert model_server("codex", {}, ["-c", 'model_providers.x.base_url="http://127.0.0.1:9/v1"']) == (
        "http://127.0.0.1:9/v1"
    )
    assert model_server("command", env, ("sh", "-c", "true")) == ""
