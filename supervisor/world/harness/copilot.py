"""GitHub Copilot CLI."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict
from supervisor.world.harness.adapter import PROMPT, Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import (
    about,
    answers,
    as_json,
    asks,
    call_ends,
    edit_begins,
    event,
    number,
    table,
    text,
)

_HOME = ".copilot"
_EDITS = frozenset({"edit", "create", "write", "str_replace_editor", "apply_patch"})
_KEPT = ("config.json", "settings.json", "mcp-config.json", "copilot-instructions.md", "agents", "skills")


class Copilot(Direct):
    """Takes hooks from its home only, so with hooks its home is the session's own, with the account's settings linked."""

    name = "copilot"
    program = "copilot"
    package = "npm:@github/copilot"
    tested = "1.0.102"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "preset_id", "moves"})

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the native program: `copilot` is a parent that leaves the agent behind when it is killed."""
        for folder in (found.parent, *found.resolve().parents[:4]):
            for path in (folder / "copilot-linux-x64", folder / "copilot-linux-arm64"):
                if path.is_file():
                    return (str(path),)
                if (path / "copilot").is_file():
                    return (str(path / "copilot"),)
        return (str(found),)

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started."""
        argv = [*start.program, "-p", PROMPT, "--allow-all-tools", "--allow-all-paths"]
        argv += ["--output-format", "json", "--no-color"]
        argv += start.session_words()
        argv += start.model_words()
        if start.mcp:
            server = {"type": "local", "command": start.mcp[0], "args": list(start.mcp[1:]), "tools": ["*"]}
            argv += ["--additional-mcp-config", json.dumps({"mcpServers": {"leasehold": server}})]
        env = {"COPILOT_AUTO_UPDATE": "false"}
        files: dict[str, bytes] = {}
        links: dict[str, Path] = {}
        # It unpacks 234 MB into the cache of a home: that stays the account's.
        env["XDG_CACHE_HOME"] = start.env.get("XDG_CACHE_HOME") or str(start.user / ".cache")
        if start.own or start.hook:
            theirs = Path(start.env.get("COPILOT_HOME") or start.user / _HOME)
            links = {f"{_HOME}/{name}": theirs / name for name in _KEPT}
            if start.before is not None:
                links[f"{_HOME}/session-state"] = start.before / _HOME / "session-state"
            env["COPILOT_HOME"] = str(start.home / _HOME)
            files[f"{_HOME}/hooks/leasehold.json"] = as_json(_hooks(start))
        home, more_links = own_home(start, ())
        return Prepared((*argv, *start.args), home | env, files, more_links | links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its events."""
        found = event(line, reading)
        if found is None:
            return
        data = table(found, "data")
        match found.get("type"):
            case "assistant.turn_start":
                asks(reading)
            case "assistant.message":
                answers(reading)
                reading.model = text(data, "model") or reading.model
                reading.say(text(data, "content"))
                if number(data, "outputTokens") is not None:
                    reading.used(None, number(data, "outputTokens"))
            case "tool.execution_start":
                _call(data, reading)
            case "tool.execution_complete":
                _called(data, reading)
            case "session.error":
                words = f"{text(data, 'errorType')}: {text(data, 'message')}"
                fail(reading, words, number(data, "statusCode"))
            case "session.warning" | "session.info":
                reading.note("note", text(data, "message"))
            case "result":
                reading.native_session = text(found, "sessionId") or reading.native_session
                if not number(found, "exitCode"):
                    reading.recovered()
                reading.conclude()

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended."""
        return judge(reading, code, signal, name="Copilot CLI")


def _hooks(start: Start) -> dict[str, object]:
    def one(phase: str) -> list[dict[str, object]]:
        return [{"type": "command", "bash": shlex.join((*start.hook, "copilot", phase)), "timeoutSec": 30}]

    if not start.hook:
        return {"version": 1, "hooks": {}}
    return {
        "version": 1,
        "hooks": {"sessionStart": one("start"), "preToolUse": one("before"), "postToolUse": one("after")},
    }


def _call(data: dict[str, Any], reading: Reading) -> None:
    tool, given = text(data, "toolName"), data.get("arguments")
    reading.call(tool, about(given))
    if tool in _EDITS:
        edit_begins(reading, text(data, "toolCallId"), text(given, "path", "file_path"))


def _called(data: dict[str, Any], reading: Reading) -> None:
    failed = data.get("success") is False
    call_ends(reading, text(data, "toolCallId"), text(table(data, "error"), "message") if failed else None)
