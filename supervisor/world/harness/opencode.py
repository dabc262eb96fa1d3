"""opencode."""

from __future__ import annotations

from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge, retries
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import about, as_json, event, number, table, text
from supervisor.world.harness.plugins import opencode_plugin

_CONFIG = ".config/opencode"
_PLUGIN = "leasehold-opencode.js"
_EDITS = frozenset({"edit", "write", "patch", "apply_patch", "multiedit"})


class OpenCode(Direct):
    """Its further configuration comes from the environment, above what the account has."""

    name = "opencode"
    program = "opencode"
    package = "npm:opencode-ai"
    tested = "1.18.33"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "usage", "cost"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "run", "--format", "json", "--auto"]
        if start.resume:
            argv += ["--session", start.resume]
        argv += start.model_words()
        config: dict[str, Any] = {"autoupdate": False, "share": "disabled", "permission": {"*": "allow"}}
        files: dict[str, bytes] = {}
        if start.hook:
            files[_PLUGIN] = opencode_plugin(start.hook)
            config["plugin"] = [f"file://{start.home / _PLUGIN}"]
        if start.mcp:
            config["mcp"] = {"leasehold": {"type": "local", "command": list(start.mcp), "enabled": True}}
        env = {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_CONFIG_CONTENT": as_json(config).decode(),
        }
        kept = (_CONFIG, ".local/share/opencode/auth.json")
        home, links = own_home(start, kept, keep=(".local/share/opencode/storage",))
        # Into a folder of its settings that is new it installs 63 MB.
        return Prepared(
            (*argv, *start.args), env | home, files, links, fetched=(_CONFIG,) if start.own else ()
        )

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its events."""
        found = event(line, reading)
        if found is None:
            return
        reading.native_session = text(found, "sessionID") or reading.native_session
        part = table(found, "part")
        match found.get("type"):
            case "step_start":
                reading.turns += 1
            case "text":
                reading.say(text(part, "text"))
            case "tool_use":
                _call(part, reading)
            case "step_finish":
                _step(part, reading)
            case "leasehold.retry":
                _retry(found, reading)
            case "error":
                _error(table(found, "error"), reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: it has no last event but the step that stops."""
        return judge(reading, code, signal, name="opencode")


def _call(part: dict[str, Any], reading: Reading) -> None:
    state = table(part, "state")
    tool, given = text(part, "tool"), state.get("input")
    reading.call(tool, about(given))
    if state.get("status") == "error":
        reading.note("tool_error", text(state, "error"))
    elif tool in _EDITS and (path := text(given, "filePath", "path")):
        reading.touch(path)


def _step(part: dict[str, Any], reading: Reading) -> None:
    tokens = table(part, "tokens")
    cached = number(table(tokens, "cache"), "read") or 0
    fresh = number(tokens, "input")
    reading.used(None if fresh is None else fresh + cached, number(tokens, "output"), cached)
    reading.costs(part.get("cost"), more=True)
    if text(part, "reason") == "stop":
        reading.recovered()
        reading.conclude()


def _retry(found: dict[str, Any], reading: Reading) -> None:
    """Take in what our plugin tells: it tries again by itself, and says so on its screen only."""
    retries(reading, f"{text(found, 'message')}, attempt {found.get('attempt')}")
    if (at := number(found, "next")) is not None:
        reading.retry_at = at / 1000


def _error(error: dict[str, Any], reading: Reading) -> None:
    data = table(error, "data")
    words = text(data, "message") or text(error, "name", "message") or "error"
    if text(error, "name") == "MessageAbortedError":
        reading.fail(VerdictKind.ABORTED, words)
        return
    after = text(table(data, "responseHeaders"), "retry-after")
    status = number(data, "statusCode")
    fail(reading, words, status, float(after) if after.isdecimal() else None)
