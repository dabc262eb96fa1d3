"""What agents say of a model server in trouble, in words that real ones printed."""

from __future__ import annotations

from supervisor.core.sessions.reading import VerdictKind
from supervisor.world.harness.failures import kind_of


def test_a_model_server_that_could_not_be_connected_to_is_unreachable():
    words = "query: Could not connect to local model provider at http://127.0.0.1:4262/v1."

    assert kind_of(None, words) is VerdictKind.UNREACHABLE
