"""Qwen Code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness import claude_events
from supervisor.world.harness.adapter import Direct, Prepared, Start
from supervisor.world.harness.failures import judge
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import as_json

_SETTINGS = "qwen-settings.json"
_MAX_TURNS = 53
# Said of 429 and 529.
_WAITS = re.compile(r"\[qwen-code\] (Waiting for API capacity)\.* attempt (\d+), retry in (\d+)s")


class Qwen(Direct):
    """Prints what Claude Code prints; its settings of highest rank come from a file that the environment names."""

    name = "qwen"
    program = "qwen"
    package = "npm:@qwen-code/qwen-code"
    tested = "0.24.4"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "usage", "preset_id", "max_turns"})

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the agent: `qwen` itself is a parent that hands no signal on."""
        path = found.resolve().with_name("cli.js")
        if not path.is_file():
            return (str(found),)
        node = next(
            (folder / "node" for folder in found.parents if (folder / "node").is_file()), Path("node")
        )
        return (str(node), "--expose-gc", str(path))

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "--yolo", "-o", "stream-json"]
        argv += start.session_words()
        argv += start.model_words()
        if "OPENAI_API_KEY" in start.env:
            argv += ["--auth-type", "openai"]
        home, links = own_home(start, (".qwen/oauth_creds.json",), keep=(".qwen/projects", ".qwen/tmp"))
        env = home | {
            "QWEN_CODE_NO_RELAUNCH": "true",
            "QWEN_CODE_SYSTEM_SETTINGS_PATH": str(start.home / _SETTINGS),
            "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
            "QWEN_CODE_UNATTENDED_RETRY": "1",  # else it waits at a limited server without a word
        }
        return Prepared((*argv, *start.args), env, {_SETTINGS: as_json(_settings(start))}, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its stream."""
        claude_events.hear(line, reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended."""
        if code == _MAX_TURNS:
            return Verdict(VerdictKind.MAX_TURNS, "Qwen Code: the limit of its turns")
        if reading.errors_latest and (waits := _WAITS.findall(reading.errors)):
            said, attempt, seconds = waits[-1]
            return Verdict(
                VerdictKind.RATE_LIMITED, f"Qwen Code: {said}, attempt {attempt}", reading.now + int(seconds)
            )
        return judge(reading, code, signal, name="Qwen Code")


def _settings(start: Start) -> dict[str, object]:
    settings: dict[str, Any] = {
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
        "memory": {"enableManagedAutoMemory": False},  # else one more model call at the end
    }
    if start.hook:
        settings["hooks"] = {
            "SessionStart": _hook(start, "start", ""),
            "PreToolUse": _hook(start, "before", "edit|write_file|replace|Edit|Write|WriteFile"),
            "PostToolUse": _hook(start, "after", "edit|write_file|replace|Edit|Write|WriteFile"),
            "Stop": _hook(start, "stop", ""),
        }
    if start.mcp:
        settings["mcpServers"] = {
            "leasehold": {"command": start.mcp[0], "args": list(start.mcp[1:]), "trust": True}
        }
    return settings


def _hook(start: Start, phase: str, matcher: str) -> list[dict[str, object]]:
    command = {"type": "command", "command": shlex.join((*start.hook, "qwen", phase)), "timeout": 30000}
    return [{"matcher": matcher, "hooks": [command]} if matcher else {"hooks": [command]}]
