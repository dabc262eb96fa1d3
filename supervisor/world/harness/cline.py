"""Cline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import PROMPT, Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge, retries
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import about, answers, as_json, asks, event, number, table, text

_MCP = "cline-mcp.json"
_EDITS = frozenset({"write_to_file", "replace_in_file", "editor", "apply_patch", "edit", "write"})
_CLASSES = {"auth": VerdictKind.AUTH, "context_window_exceeded": VerdictKind.CONTEXT_EXHAUSTED}


class Cline(Direct):
    """Its hook ends the whole run when it refuses, so none is given: the guard and the gate refuse."""

    name = "cline"
    program = "cline"
    package = "npm:cline"
    tested = "3.0.65"
    stop = "INT"  # it does not hear TERM
    can = frozenset({"mcp", "usage", "cost"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started."""
        argv = [*start.program, "--json", "--auto-approve", "true"]
        argv += start.model_words()
        home, links = own_home(start, (".cline/data/settings",))
        env = home | {
            "CLINE_SESSION_BACKEND_MODE": "local",  # else a process of its own outlives the session
            "CLINE_NO_AUTO_UPDATE": "1",
        }
        files: dict[str, bytes] = {}
        over: dict[str, Path] = {}
        if start.mcp:
            server = {"command": start.mcp[0], "args": list(start.mcp[1:]), "type": "stdio"}
            files[_MCP] = as_json({"mcpServers": {"leasehold": server}})
            over[_MCP] = start.user / ".cline/data/settings/cline_mcp_settings.json"
            env["CLINE_MCP_SETTINGS_PATH"] = str(start.home / _MCP)
        return Prepared((*argv, *start.args, PROMPT), env, files, links, over)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its events."""
        found = event(line, reading)
        if found is None:
            return
        match found.get("type"):
            case "agent_event":
                _event(table(found, "event"), reading)
            case "run_result":
                _result(found, reading)
            case "error" | "run_error":
                fail(reading, text(found, "message", "error") or text(table(found, "error"), "message"))
            case "run_aborted":
                reading.fail(VerdictKind.ABORTED, text(found, "reason", "message") or "the run was aborted")

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: it exits with 0 when its run was aborted."""
        return judge(reading, code, signal, name="Cline")


def _event(found: dict[str, Any], reading: Reading) -> None:
    match found.get("type"):
        case "iteration_start":
            asks(reading)
        case "content_end" | "content_start":
            answers(reading)
            _content(found, reading)
        case "usage":
            _usage(found, reading)
        case "error":
            words = text(found, "message") or text(table(found, "error"), "message") or "error"
            if found.get("recoverable"):
                retries(reading, words)
            elif kind := _CLASSES.get(text(found, "errorClass")):
                reading.fail(kind, words)
            else:
                fail(reading, words)


def _content(found: dict[str, Any], reading: Reading) -> None:
    ends = found.get("type") == "content_end"
    match found.get("contentType"):
        case "text" if ends:
            reading.say(text(found, "text"))
        case "tool" if not ends:
            tool, given = text(found, "toolName"), found.get("input")
            reading.call(tool, about(given))
            path = text(given, "path", "file_path")
            if tool in _EDITS and path:
                reading.touch(path)


def _usage(usage: dict[str, Any], reading: Reading) -> None:
    reading.total(
        number(usage, "totalInputTokens", "inputTokens"),
        number(usage, "totalOutputTokens", "outputTokens"),
        number(usage, "totalCacheReadTokens", "cacheReadTokens"),
    )
    reading.costs(usage.get("totalCost"))


def _result(found: dict[str, Any], reading: Reading) -> None:
    _usage(table(found, "usage"), reading)
    reading.model = text(table(found, "model"), "id") or text(found, "model") or reading.model
    match text(found, "finishReason"):
        case "aborted":
            reading.fail(VerdictKind.ABORTED, text(found, "text") or "the run was aborted")
        case "error":
            if reading.error is None:  # else the error itself came before, and told more
                fail(reading, text(found, "text") or text(found, "error") or "error")
        case "max_iterations" | "max_steps":
            reading.fail(VerdictKind.MAX_TURNS, "the limit of its turns")
        case _:
            reading.recovered()
    reading.conclude(text(found, "text"))
