"""Claude Code: how it is started, and what its stream says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.adapter import Adapter, Start
from supervisor.world.harness.claude import Claude

INIT = {
    "type": "system",
    "subtype": "init",
    "session_id": "b6e0",
    "model": "claude-sonnet-5",
    "tools": ["Edit"],
}
RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "Done.",
    "session_id": "b6e0",
    "num_turns": 5,
    "total_cost_usd": 0.0123,
    "usage": {"input_tokens": 1000, "cache_read_input_tokens": 5000, "output_tokens": 250},
}


def assistant(ident: str, *blocks: dict[str, Any], **usage: int) -> dict[str, Any]:
    message = {"id": ident, "model": "claude-sonnet-5", "content": list(blocks), "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": None}


def hear(*lines: object) -> Reading:
    reading = Reading(now=1000.0)
    for line in lines:
        Claude().hear(line if isinstance(line, bytes) else json.dumps(line).encode(), reading)
    return reading


def start(**more: Any) -> Start:
    given: dict[str, Any] = {
        "program": ("/bin/claude",),
        "session": "9da9",
        "native": "u-u",
        "home": Path("/s/home"),
    }
    return Start(**{**given, "user": Path("/root"), **more})


def test_it_is_an_adapter() -> None:
    assert isinstance(Claude(), Adapter)


def test_the_brief_goes_to_standard_input_and_the_session_has_an_id_of_ours() -> None:
    prepared = Claude().prepare(start(model="opus", args=("--max-turns", "9")))

    argv = " ".join(prepared.argv)
    assert "{prompt}" not in argv
    assert argv.startswith("/bin/claude -p --output-format stream-json --verbose ")
    assert argv.endswith("--session-id u-u --model opus --max-turns 9")
    assert prepared.env["IS_SANDBOX"] == "1"
    assert not prepared.files


def test_an_interrupted_session_goes_on_by_its_id() -> None:
    argv = Claude().prepare(start(resume="b6e0")).argv

    assert argv[argv.index("--resume") + 1] == "b6e0"
    assert "--session-id" not in argv


def test_mcp_servers_come_by_flag_in_a_file_of_the_session_s_own() -> None:
    prepared = Claude().prepare(start(mcp=("/py", "-m", "x")))

    assert prepared.argv[-2:] == ("--mcp-config", "/s/home/claude-mcp.json")
    assert json.loads(prepared.files["claude-mcp.json"])["mcpServers"]["leasehold"]["command"] == "/py"


def test_a_home_of_its_own_links_the_login_and_the_settings_of_git() -> None:
    prepared = Claude().prepare(start(own=True))

    assert prepared.env["CLAUDE_CONFIG_DIR"] == "/s/home/.claude"
    assert prepared.links[".claude/.credentials.json"] == Path("/root/.claude/.credentials.json")
    assert prepared.links[".gitconfig"] == Path("/root/.gitconfig")


def test_a_run_is_read_with_its_turns_tools_files_tokens_and_cost() -> None:
    edit = {
        "type": "tool_use",
        "name": "Edit",
        "id": "t1",
        "input": {"file_path": "/r/app.py", "old_string": "a"},
    }
    reading = hear(
        INIT,
        assistant("m1", {"type": "text", "text": "I edit."}, input_tokens=1200, output_tokens=50),
        assistant("m1", edit, input_tokens=1200, output_tokens=50),
        assistant("m2", {"type": "text", "text": "Done."}, input_tokens=1200, output_tokens=50),
    )
    assert (reading.turns, reading.tool_calls, reading.tokens_in, reading.tokens_out) == (2, 1, 2400, 100)

    block = {"type": "tool_result", "tool_use_id": "t1", "is_error": False, "content": "updated"}
    done = {"type": "user", "message": {"content": [block]}}
    reading = hear(INIT, assistant("m1", edit, input_tokens=10, output_tokens=5), done, RESULT)

    assert list(reading.files) == ["/r/app.py"]
    assert (reading.model, reading.native_session) == ("claude-sonnet-5", "b6e0")
    assert (reading.tokens_in, reading.tokens_out, reading.tokens_cached) == (6000, 250, 5000)
    assert (reading.cost_usd, reading.result, reading.final) == (0.0123, "Done.", True)
    verdict = Claude().ending(reading, 0, None)
    assert verdict is not None
    assert verdict.kind is VerdictKind.SUCCESS


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({"is_error": True, "api_error_status": 401, "result": "Invalid API key"}, VerdictKind.AUTH),
        ({"is_error": True, "api_error_status": 429, "result": "API Error"}, VerdictKind.RATE_LIMITED),
        ({"is_error": True, "api_error_status": 529, "result": "Overloaded"}, VerdictKind.RATE_LIMITED),
        ({"is_error": True, "api_error_status": 500, "result": "API Error"}, VerdictKind.UNREACHABLE),
        ({"is_error": True, "result": "API Error: Unable to connect"}, VerdictKind.UNREACHABLE),
        (
            {"is_error": True, "api_error_status": 400, "result": "prompt is too long: 210000 tokens"},
            VerdictKind.CONTEXT_EXHAUSTED,
        ),
        ({"is_error": True, "api_error_status": 400, "result": "bad"}, VerdictKind.ERROR),
        ({"subtype": "error_max_turns", "is_error": True}, VerdictKind.MAX_TURNS),
        ({"subtype": "error_max_budget_usd", "is_error": True}, VerdictKind.BUDGET),
        (
            {"subtype": "error_during_execution", "is_error": False, "terminal_reason": "aborted_tools"},
            VerdictKind.ABORTED,
        ),
    ],
)
def test_the_result_says_how_it_ended_whatever_its_subtype(result: dict[str, Any], kind: VerdictKind) -> None:
    verdict = Claude().ending(hear(INIT, RESULT | result), 1, None)

    assert verdict is not None
    assert verdict.kind is kind


def test_an_exit_without_a_result_is_incomplete_though_its_code_is_0() -> None:
    verdict = Claude().ending(hear(INIT), 0, None)

    assert verdict is not None
    assert verdict.kind is VerdictKind.INCOMPLETE


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"warning: not json",
        b"{",
        b"[1]",
        b'{"type": 3}',
        b'{"type": "assistant", "message": 7}',
        b'{"type": "assistant", "message": {"content": [1, {"type": "tool_use", "input": 3}]}}',
        b'{"type": "result", "usage": {"input_tokens": "x"}, "total_cost_usd": "y", "errors": 4}',
        b'{"type": "result", "is_error": true, "errors": 4}',
        b'{"type": "user", "message": {"content": [{"type": "tool_result", "is_error": true, "content": []}]}}',
        b"\xff\xfe{\x00",
        b'{"a":' * 100_000,
        b'{"type": "result", "result": "\\ud800"}',
    ],
)
def test_no_line_is_fatal(line: bytes) -> None:
    hear(line)


@pytest.mark.parametrize(
    ("before", "cost"),
    [
        (None, 0.75),
        ({"cost": 0.5, "tokens": 1000}, 0.25),  # it remembers
        ({"cost": 0.75, "tokens": 1500}, 0.75),  # the same sum, though it used 500 itself: it had forgotten
        ({"cost": 0.1, "tokens": 1400}, 0.75),
        ({"cost": 9.0, "tokens": 100}, 0.0),
    ],
)
def test_of_a_sum_that_goes_on_from_an_earlier_session_only_the_own_part_counts(before, cost):
    reading = Reading()
    if before:
        reading.own["before"] = before
    event = {
        "type": "result",
        "total_cost_usd": 0.75,
        "usage": {"input_tokens": 400, "output_tokens": 100},
        "modelUsage": {"m": {"inputTokens": 1200, "outputTokens": 100, "cacheReadInputTokens": 200}},
    }
    Claude().hear(json.dumps(event).encode(), reading)

    assert reading.cost_usd == pytest.approx(cost)
    assert reading.own["sums"] == {"cost": 0.75, "tokens": 1500}
