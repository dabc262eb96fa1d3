"""A log as what it means, in lines for people."""

from __future__ import annotations

import json

from supervisor.cli.facts import facts, used
from supervisor.cli.pretty import Pretty
from supervisor.core.sessions.reading import Reading

KEY = "sk-" + "ant-" + "a1B2" * 8


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


def message(*content: dict[str, object]) -> bytes:
    return line(type="assistant", message={"id": "m", "content": list(content)})


def test_messages_and_tool_calls_are_lines_and_keys_are_masked() -> None:
    log = (
        line(type="system", subtype="init", session_id="s", model="m-1")
        + message({"type": "text", "text": f"first\nthen {KEY}"})
        + message({"type": "tool_use", "name": "Bash", "input": {"command": "make test"}})
    )
    pretty = Pretty("claude")
    shown = b"".join(pretty.read(log[at : at + 7]) for at in range(0, len(log), 7)).decode()

    assert shown.splitlines() == ["model m-1", "first", "then [masked]", "» Bash make test"]


def test_what_is_not_understood_is_printed_as_it_is() -> None:
    pretty = Pretty("claude")

    assert pretty.read(b"npm warn\xff old\n") == "npm warn\ufffd old\n".encode()
    assert pretty.read(b"no end") == b""
    assert pretty.rest() == b"no end\n"


def test_of_a_harness_that_nobody_understands_every_line_is_printed() -> None:
    assert Pretty("").read(b'{"type": "result"}\n') == b'{"type": "result"}\n'
    assert Pretty("gone-with-its-package").read(b"x\n") == b"x\n"


def test_facts_call_unknown_what_was_not_told() -> None:
    found = {"adapter": "aider", **Reading(turns=2).as_json()}

    assert used(found) == "tokens unknown, cost unknown"
    assert facts(found)[0].split() == ["model", "unknown"]


def test_a_plain_command_has_no_facts() -> None:
    assert facts({"adapter": "command", **Reading().as_json()}) == []
    assert facts({}) == []
