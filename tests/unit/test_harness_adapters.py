"""Every adapter: what it declares, how it starts its agent, and how it judges an end."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness import registry
from supervisor.world.harness.adapter import PROMPT, PROMPT_FILE, Adapter, Start
from supervisor.world.harness.overlay import laid_over
from supervisor.world.harness.plugins import GIT_WITH_HOOKS
from supervisor.world.harness.registry import AdapterError, find, names, ours

ALL = [each.name for each in ours()]
ON_STDIN = {"claude", "codex", "gemini", "opencode", "qwen", "pi"}
HOOK = ("/py", "-c", "import x; x.y('z')", "/root dir")


def start(name: str, **more: Any) -> Start:
    given: dict[str, Any] = {"program": (f"/bin/{name}",), "session": "9da9", "native": "u-u"}
    given |= {"home": Path("/s/home"), "user": Path("/root"), "env": {"PATH": "/usr/bin"}}
    return Start(**{**given, **more})


def ended(name: str, *lines: str, code: int | None = 0, signal: int | None = None) -> VerdictKind:
    adapter, reading = find(name), Reading(now=1000.0)
    for line in lines:
        adapter.hear(line.encode(), reading)
    verdict = adapter.ending(reading, code, signal)
    assert verdict is not None
    return verdict.kind


def test_there_are_eleven_and_command() -> None:
    assert len(ALL) == 11
    assert all(isinstance(find(name), Adapter) for name in (*ALL, "command"))


@pytest.mark.parametrize("name", ALL)
def test_an_adapter_says_where_its_agent_comes_from_and_what_it_was_tried_with(name: str) -> None:
    adapter = find(name)

    assert adapter.package.startswith(("npm:", "pypi:"))
    assert adapter.tested[0].isdigit()
    assert adapter.stop in {"TERM", "INT"}
    assert adapter.can <= {"hooks", "mcp", "resume", "usage", "cost", "preset_id", "max_turns", "moves"}


@pytest.mark.parametrize("name", ALL)
def test_the_brief_is_on_standard_input_or_in_the_command_line_once(name: str) -> None:
    argv = find(name).prepare(start(name)).argv

    assert argv[0] == f"/bin/{name}"
    assert sum(word in {PROMPT, PROMPT_FILE} for word in argv) == (name not in ON_STDIN)


@pytest.mark.parametrize("name", ALL)
def test_model_and_further_arguments_reach_the_agent(name: str) -> None:
    argv = find(name).prepare(start(name, model="the-model", args=("--extra",))).argv

    assert "the-model" in argv
    assert "--extra" in argv


@pytest.mark.parametrize("name", [name for name in ALL if "resume" in find(name).can])
def test_an_earlier_session_goes_on_by_its_id(name: str) -> None:
    adapter = find(name)

    assert "native-id" in adapter.prepare(start(name, resume="native-id")).argv
    assert "native-id" not in adapter.prepare(start(name)).argv


@pytest.mark.parametrize("name", [name for name in ALL if "hooks" in find(name).can])
def test_hooks_come_by_flag_environment_or_own_home_and_name_the_client(name: str) -> None:
    prepared = find(name).prepare(start(name, hook=HOOK))
    settings = b"".join(prepared.files.values()).decode() + " ".join(prepared.argv) + str(dict(prepared.env))

    assert "/py" in settings
    assert "before" in settings
    assert not any(path.startswith(("/", "..")) for path in prepared.files)


@pytest.mark.parametrize("name", [name for name in ALL if "mcp" in find(name).can])
def test_the_mcp_server_is_handed_over(name: str) -> None:
    prepared = find(name).prepare(start(name, mcp=("/the/python", "-m", "server")))
    settings = b"".join(prepared.files.values()).decode() + " ".join(prepared.argv) + str(dict(prepared.env))

    assert "/the/python" in settings


@pytest.mark.parametrize("name", ALL)
def test_a_home_of_its_own_moves_all_that_the_agent_keeps(name: str) -> None:
    prepared = find(name).prepare(start(name, own=True))

    assert prepared.env["HOME"] == "/s/home"
    assert prepared.links[".gitconfig"] == Path("/root/.gitconfig")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(AdapterError, match='did you mean "codex"'):
        find("codx")
    with pytest.raises(AdapterError, match="there are claude, codex"):
        find("zzz")


def test_another_package_s_adapter_is_found_and_one_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = "supervisor.world.harness.pi:Pi"
    points = (
        EntryPoint("mine", value, registry.GROUP),
        EntryPoint("odd", "pathlib:Path", registry.GROUP),
        EntryPoint("gone", "no_such_package:X", registry.GROUP),
    )
    monkeypatch.setattr(registry, "_points", lambda: points)
    find.cache_clear()

    assert (find("mine").name, find("mine").program) == ("mine", "pi")  # called as the entry point is
    assert names()[-3:] == ("mine", "odd", "gone")
    with pytest.raises(AdapterError, match="is no adapter: it lacks program"):
        find("odd")
    with pytest.raises(AdapterError, match="cannot be loaded"):
        find("gone")
    find.cache_clear()


@pytest.mark.parametrize(
    ("name", "code", "lines", "kind"),
    [
        ("codex", 1, ['{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}'], "auth"),
        ("codex", 1, ['{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429"}}'], "rate_limited"),
        ("codex", 1, ['{"type":"turn.failed","error":{"message":"stream disconnected before completion"}}'], "unreachable"),
        ("codex", None, ['{"type":"turn.started"}'], "aborted"),
        ("gemini", 145, [], "auth"),
        ("gemini", 173, [], "rate_limited"),
        ("gemini", 244, [], "unreachable"),
        ("gemini", 53, [], "max_turns"),
        ("gemini", 41, [], "auth"),
        ("qwen", 1, ['{"type":"result","subtype":"error_during_execution","is_error":true,"error":{"message":"No auth type is selected."}}'], "auth"),
        ("gemini", 0, ['{"type":"init","session_id":"x","model":"m"}'], "incomplete"),
        ("opencode", 1, ['{"type":"error","error":{"name":"APIError","data":{"message":"no","statusCode":401}}}'], "auth"),
        ("opencode", 1, ['{"type":"error","error":{"name":"APIError","data":{"message":"no","statusCode":429}}}'], "rate_limited"),
        ("qwen", 53, [], "max_turns"),
        ("pi", 0, ['{"type":"message_end","message":{"role":"assistant","stopReason":"error","errorMessage":"401 Unauthorized"}}', '{"type":"agent_end"}'], "auth"),
        ("copilot", 1, ['{"type":"session.error","data":{"errorType":"rate_limit","message":"x","statusCode":429}}', '{"type":"result","exitCode":1}'], "rate_limited"),
        ("cline", 0, ['{"type":"run_result","finishReason":"aborted","text":""}'], "aborted"),
        ("cline", 1, ['{"type":"run_result","finishReason":"error","text":"401 Unauthorized"}'], "auth"),
        ("cline", 1, ['{"type":"agent_event","event":{"type":"error","error":{"message":"no"},"errorClass":"auth","recoverable":false}}', '{"type":"run_result","finishReason":"error","text":"no"}'], "auth"),
        ("cline", 1, ['{"type":"run_result","finishReason":"error","text":"invalid_api_key"}'], "auth"),
        ("cline", 1, ['{"type":"run_result","finishReason":"error","text":"Response stream ended without a finish reason."}'], "unreachable"),
        ("gptme", 75, [], "rate_limited"),
        ("gptme", 76, [], "auth"),
        ("gptme", 77, [], "unreachable"),
        ("gptme", 0, ['{"role":"assistant","content":"ok"}'], "success"),
        ("aider", 0, ["litellm.AuthenticationError: AuthenticationError: OpenAIException - bad"], "auth"),
        ("aider", 0, ["Tokens: 1.4k sent, 50 received."], "success"),
        ("aider", 0, ["litellm.RateLimitError: x", "Retrying in 0.2 seconds...", "Tokens: 1.4k sent, 50 received."], "success"),
        ("mini-swe-agent", 0, ["Exit:", "LimitsExceeded", "Saved trajectory to", "'/t.json'"], "budget"),
        ("mini-swe-agent", 0, ["Exit:", "RepeatedFormatError", "Saved trajectory to"], "error"),
        ("mini-swe-agent", 0, ["mini-swe-agent (step 1, $0.00):", "Done.", "Exit:", "Saved trajectory to"], "success"),
        ("mini-swe-agent", 0, ["User:", "litellm.RateLimitError", "Exit:", "Saved trajectory to"], "success"),
        ("mini-swe-agent", 1, ["Exit:", "litellm.RateLimitError: x"], "rate_limited"),
        ("mini-swe-agent", 1, ["Exit:", "litellm.AuthenticationError: x"], "auth"),
    ],
)  # fmt: skip
def test_an_end_is_judged_by_the_last_words_and_not_by_the_exit_code_alone(
    name: str, code: int | None, lines: list[str], kind: str
) -> None:
    assert ended(name, *lines, code=code, signal=9 if code is None else None).value == kind


@pytest.mark.parametrize(
    ("name", "asked", "failed", "answered"),
    [
        ("cline", '{"type":"agent_event","event":{"type":"iteration_start","iteration":1}}', '{"type":"agent_event","event":{"type":"error","error":{"message":"invalid_api_key"}}}', '{"type":"agent_event","event":{"type":"content_end","contentType":"text","text":"Hello"}}'),
        ("copilot", '{"type":"assistant.turn_start","data":{"turnId":"0"}}', '{"type":"session.error","data":{"errorType":"authentication","message":"no","statusCode":401}}', '{"type":"assistant.message","data":{"content":"Hello"}}'),
    ],
)  # fmt: skip
def test_a_turn_counts_once_the_model_answers_and_not_when_it_is_asked(
    name: str, asked: str, failed: str, answered: str
) -> None:
    refused, spoken = Reading(), Reading()
    for line in (asked, failed):
        find(name).hear(line.encode(), refused)
    for line in (asked, answered, answered):
        find(name).hear(line.encode(), spoken)

    assert (refused.turns, refused.answered()) == (0, False)
    assert (spoken.turns, spoken.answered()) == (1, True)


@pytest.mark.parametrize("name", ALL)
def test_noise_is_not_fatal(name: str) -> None:
    reading = Reading()
    for line in (
        b"",
        b"\xff\x00",
        b"{",
        b"[]",
        b"null",
        b'{"type":{}}',
        b"Tokens: ,k sent, .M received",
        b"x" * 70_000,
    ):
        find(name).hear(line, reading)

    assert len(reading.message) <= 4096


def test_aider_s_words_are_counted() -> None:
    adapter, reading = find("aider"), Reading()
    for line in (
        "Main model: openai/s with diff edit format",
        "Tokens: 1.2k sent, 1.0k cache hit, 50 received. Cost: $0.01 message, $0.03 session.",
        "Applied edit to src/a.py",
    ):
        adapter.hear(line.encode(), reading)

    assert (reading.model, reading.tokens_in, reading.tokens_out, reading.tokens_cached) == (
        "openai/s",
        1200,
        50,
        1000,
    )
    assert (reading.cost_usd, list(reading.files)) == (0.03, ["src/a.py"])


def test_settings_of_the_account_stay_below_the_session_s(tmp_path: Path) -> None:
    theirs = tmp_path / "settings.json"
    theirs.write_text('{"ui": {"theme": "x"}, "hooks": {"BeforeTool": [1]}, "telemetry": {"enabled": true}}')
    ours_ = b'{"hooks": {"BeforeTool": [2]}, "telemetry": {"enabled": false}}'

    merged = json.loads(laid_over(ours_, theirs))

    assert merged == {"ui": {"theme": "x"}, "hooks": {"BeforeTool": [1, 2]}, "telemetry": {"enabled": False}}
    assert laid_over(ours_, tmp_path / "none") == ours_
    theirs.write_text("// not JSON")
    assert laid_over(ours_, theirs) == ours_


def test_pi_waits_for_no_limited_server_in_silence_in_a_home_of_its_own() -> None:
    prepared = find("pi").prepare(start("pi", own=True))
    name = ".pi/agent/settings.json"

    assert json.loads(prepared.files[name]) == {"retry": {"provider": {"maxRetries": 0}}}
    assert prepared.over[name] == Path("/root") / name
    assert prepared.env["PI_CODING_AGENT_DIR"] == "/s/home/.pi/agent"


def test_gemini_s_git_has_its_hooks_again(tmp_path: Path) -> None:
    own, real = tmp_path / "own", tmp_path / "real"
    for folder, content in ((own, GIT_WITH_HOOKS), (real, b"#!/bin/sh\nenv\n")):
        folder.mkdir()
        (folder / "git").write_bytes(content)
        (folder / "git").chmod(0o700)
    env = {
        "PATH": f"{own}:{real}:{os.defpath}:/usr/bin:/bin",
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_0": "includeIf.gitdir:/r.path",
        "GIT_CONFIG_VALUE_0": "/ours",
        "GIT_CONFIG_KEY_1": "core.hooksPath",
        "GIT_CONFIG_VALUE_1": "",
        "GIT_CONFIG_KEY_2": "core.pager",
        "GIT_CONFIG_VALUE_2": "cat",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }

    seen = subprocess.run(["git", "commit"], env=env, capture_output=True, text=True, check=True).stdout

    assert "GIT_CONFIG_KEY_0=includeIf.gitdir:/r.path" in seen
    assert "core.hooksPath" not in seen
    assert "GIT_CONFIG_KEY_2=core.pager" in seen
    assert "/dev/null" not in seen


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("below", ["codex/node_modules/@openai", ""])
def test_codex_is_started_without_the_parent_that_npm_puts_before_it(tmp_path: Path, below: str) -> None:
    modules = tmp_path / "node_modules/@openai"
    script = made(modules / "codex/bin/codex.js")
    native = made(modules / below / "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex")
    found = tmp_path / "codex"
    found.symlink_to(script)

    assert find("codex").real(found) == (str(native),)
    assert find("codex").real(native) == (str(native),)


def test_qwen_and_copilot_are_started_without_their_parents(tmp_path: Path) -> None:
    qwen = tmp_path / "qwen"
    qwen.symlink_to(made(tmp_path / "lib/cli-entry.js"))
    agent = made(tmp_path / "lib/cli.js")
    copilot, native = made(tmp_path / "bin/copilot"), made(tmp_path / "bin/copilot-linux-x64")

    assert find("qwen").real(qwen)[1:] == ("--expose-gc", str(agent))
    assert find("copilot").real(copilot) == (str(native),)
