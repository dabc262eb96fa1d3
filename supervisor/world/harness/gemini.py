"""Gemini CLI."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from supervisor.core.sessions.last_words import telling_line
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import SESSION_VARIABLES, Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge, kind_of
from supervisor.world.harness.homes import own_home, remembered
from supervisor.world.harness.lines import about, as_json, call_ends, edit_begins, event, number, table, text
from supervisor.world.harness.plugins import GIT_WITH_HOOKS

_SETTINGS = ".gemini/settings.json"
_KEPT = (
    "oauth_creds.json",
    "google_accounts.json",
    "installation_id",
    "GEMINI.md",
    "commands",
    "extensions",
    "policies",
    "skills",
    "agents",
)
_EDITS = frozenset({"replace", "write_file", "edit"})
_MAX_TURNS = 53
_NO_LOGIN = 41
_OWN_CODES = {400, 401, 403, 404, 429, 500, 502, 503, 504, 529}
_BY_CODE = {status % 256: status for status in _OWN_CODES}


class Gemini(Direct):
    """Takes hooks from the settings in its home only, so its home is the session's own: the account's settings and ours in one."""

    name = "gemini"
    program = "gemini"
    package = "npm:@google/gemini-cli"
    tested = "0.61.0"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "usage", "preset_id"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "--yolo", "--skip-trust", "-o", "stream-json"]
        argv += start.session_words()
        argv += start.model_words()
        env = {
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GEMINI_CLI_HOME": str(start.home),
            "PATH": f"{start.home / 'bin'}:{start.env.get('PATH') or os.defpath}",
        }
        theirs = Path(start.env.get("GEMINI_CLI_HOME") or start.user) / ".gemini"
        links = {f".gemini/{name}": theirs / name for name in _KEPT}
        links |= remembered(start, (".gemini/tmp", ".gemini/history", ".gemini/projects.json"))
        home, more_links = own_home(start, ())
        files = {_SETTINGS: as_json(_settings(start)), "bin/git": GIT_WITH_HOOKS}
        over = {_SETTINGS: theirs / "settings.json"}
        return Prepared((*argv, *start.args), env | home, files, more_links | links, over)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its stream."""
        found = event(line, reading)
        if found is None:
            return
        match found.get("type"):
            case "init":
                reading.native_session = text(found, "session_id")
                reading.model = text(found, "model") or reading.model
                reading.note("start", reading.model)
            case "message" if found.get("role") == "assistant":
                _message(found, reading)
            case "tool_use":
                _call(found, reading)
            case "tool_result":
                _called(found, reading)
            case "error":
                words = text(found, "message") or "error"
                if found.get("severity") == "warning":
                    reading.note("warning", words)
                else:
                    fail(reading, words)
            case "result":
                _result(found, reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended; without a last word, by its exit code, which is an HTTP status cut to a byte."""
        if reading.error in {None, VerdictKind.ERROR} and code:
            if code == _MAX_TURNS:
                return Verdict(VerdictKind.MAX_TURNS, "Gemini CLI: the limit of its turns")
            if code == _NO_LOGIN:
                said = telling_line(reading.errors) or "it has no login"
                return Verdict(VerdictKind.AUTH, f"Gemini CLI: {said[:300]}")
            if code in _BY_CODE:
                status = _BY_CODE[code]
                said = reading.error_text or f"HTTP status {status}"
                return Verdict(kind_of(status, said), f"Gemini CLI: {said[:300]}", reading.retry_at)
        return judge(reading, code, signal, name="Gemini CLI")


def _settings(start: Start) -> dict[str, object]:
    settings: dict[str, Any] = {
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "disableUpdateNag": True},
    }
    if "GEMINI_API_KEY" in start.env:
        settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
    if start.hook:
        settings["hooksConfig"] = {"enabled": True}
        settings["tools"] = {"enableHooks": True}
        settings["hooks"] = {
            "BeforeTool": _hook(start, "before"),
            "AfterTool": _hook(start, "after"),
        }
    if start.mcp:
        # It hides what looks like a secret from servers that do not ask for it by name.
        server = {"command": start.mcp[0], "args": list(start.mcp[1:]), "trust": True}
        settings["mcpServers"] = {
            "leasehold": server | {"env": {name: f"${name}" for name in SESSION_VARIABLES}}
        }
    return settings


def _hook(start: Start, phase: str) -> list[dict[str, object]]:
    command = {
        "type": "command",
        "name": "leasehold",
        "command": shlex.join((*start.hook, "gemini", phase)),
        "timeout": 30000,
    }
    return [{"matcher": "replace|write_file", "hooks": [command]}]


def _message(found: dict[str, Any], reading: Reading) -> None:
    words = text(found, "content")
    if found.get("delta") and reading.own.get("speaking"):
        reading.message = (reading.message + words)[:4096]
        return
    reading.own["speaking"] = True
    reading.turns += 1
    reading.say(words)


def _call(found: dict[str, Any], reading: Reading) -> None:
    reading.own["speaking"] = False
    tool, given = text(found, "tool_name"), found.get("parameters")
    reading.call(tool, about(given))
    if tool in _EDITS:
        edit_begins(reading, text(found, "tool_id"), text(given, "file_path", "path"))


def _called(found: dict[str, Any], reading: Reading) -> None:
    failed = found.get("status") == "error"
    words = text(table(found, "error"), "message") or text(found, "output")
    call_ends(reading, text(found, "tool_id"), words if failed else None)


def _result(found: dict[str, Any], reading: Reading) -> None:
    stats = table(found, "stats")
    reading.total(number(stats, "input_tokens"), number(stats, "output_tokens"), number(stats, "cached"))
    if found.get("status") == "error":
        fail(reading, text(table(found, "error"), "message") or "error")
    else:
        reading.recovered()
    reading.conclude()
