"""pi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge, retries
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import (
    about,
    as_json,
    call_ends,
    edit_begins,
    event,
    items,
    number,
    table,
    text,
)
from supervisor.world.harness.plugins import pi_extension

_EXTENSION = "leasehold-pi.ts"
_SETTINGS = ".pi/agent/settings.json"
# It tries again by itself and says so. The library below it does so first, and waits without a word for as long as the server asks.
_OWN_SETTINGS = {"retry": {"provider": {"maxRetries": 0}}}
_EDITS = frozenset({"edit", "write"})


class Pi(Direct):
    """Takes an extension by flag."""

    name = "pi"
    program = "pi"
    package = "npm:@mariozechner/pi-coding-agent"
    tested = "0.73.1"
    stop = "TERM"
    can = frozenset({"hooks", "resume", "usage", "cost"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "-p", "--mode", "json"]
        if start.resume:
            argv += ["--session", start.resume]
        argv += start.model_words()
        files: dict[str, bytes] = {}
        if start.hook:
            files[_EXTENSION] = pi_extension(start.hook)
            argv += ["-e", str(start.home / _EXTENSION)]
        kept = (".pi/agent/auth.json", ".pi/agent/models.json")
        home, links = own_home(start, kept, keep=(".pi/agent/sessions",))
        env = home | {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}
        over: dict[str, Path] = {}
        if start.own:
            env["PI_CODING_AGENT_DIR"] = str(start.home / ".pi/agent")
            files[_SETTINGS] = as_json(_OWN_SETTINGS)
            over[_SETTINGS] = start.user / _SETTINGS
        return Prepared((*argv, *start.args), env, files, links, over)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its events."""
        found = event(line, reading)
        if found is None:
            return
        match found.get("type"):
            case "session":
                reading.native_session = text(found, "id")
                reading.note("start")
            case "message_end":
                _message(table(found, "message"), reading)
            case "tool_execution_start":
                _call(found, reading)
            case "tool_execution_end":
                _called(found, reading)
            case "auto_retry_start":
                retries(reading, text(found, "errorMessage"))
            case "agent_end" if not found.get("willRetry"):
                reading.conclude()

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: by its last message, as it exits with 0 whatever the model server says."""
        return judge(reading, code, signal, name="pi")


def _message(message: dict[str, Any], reading: Reading) -> None:
    if message.get("role") != "assistant":
        return
    reading.model = text(message, "model") or reading.model
    usage = table(message, "usage")
    cached = number(usage, "cacheRead") or 0
    fresh = number(usage, "input")
    reading.used(None if fresh is None else fresh + cached, number(usage, "output"), cached)
    reading.costs(table(usage, "cost").get("total"), more=True)
    for block in items(message, "content"):
        if block.get("type") == "text":
            reading.say(text(block, "text"))
    match text(message, "stopReason"):
        case "error":
            fail(reading, text(message, "errorMessage") or "error")
        case "aborted":
            reading.fail(VerdictKind.ABORTED, text(message, "errorMessage") or "interrupted")
        case _:
            reading.turns += 1
            reading.recovered()


def _call(found: dict[str, Any], reading: Reading) -> None:
    tool, given = text(found, "toolName"), found.get("args")
    reading.call(tool, about(given))
    if tool in _EDITS:
        edit_begins(reading, text(found, "toolCallId"), text(given, "path", "file_path"))


def _called(found: dict[str, Any], reading: Reading) -> None:
    result = items(table(found, "result"), "content")
    words = text(result[0], "text") if result else ""
    call_ends(reading, text(found, "toolCallId"), words if found.get("isError") else None)
