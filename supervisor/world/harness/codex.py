"""Codex."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading, Verdict
from supervisor.world.harness.adapter import SESSION_VARIABLES, Direct, Prepared, Start
from supervisor.world.harness.failures import fail, judge, retries
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import event, items, number, table, text

_SETTINGS = (
    "check_for_update_on_startup=false",
    "analytics.enabled=false",
    "feedback.enabled=false",
    "features.plugins=false",  # these two look for servers of their own at every start
    "features.apps=false",
    "features.unbounded_connection_retries=false",  # else a server that is down is tried for ever, in silence
)


class Codex(Direct):
    """All it needs comes by `-c`, so that its home stays the account's."""

    name = "codex"
    program = "codex"
    package = "npm:@openai/codex"
    tested = "0.169.0"
    stop = "INT"  # at TERM it dies and leaves what its tools started
    can = frozenset({"hooks", "mcp", "resume", "usage", "moves"})

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the native program: the npm package's is a parent that hides it under older versions of Node."""
        script = found.resolve()
        if script.suffix == ".js":
            package = script.parent.parent
            for folder in (package / "node_modules" / "@openai", package.parent):
                for path in sorted(folder.glob("codex-linux-*/vendor/*/bin/codex"))[:1]:
                    return (str(path),)
        return (str(found),)

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "exec", "--json", "--dangerously-bypass-approvals-and-sandbox"]
        argv += ["--skip-git-repo-check"]
        for setting in _SETTINGS:
            argv += ["-c", setting]
        if start.hook:
            argv += ["--dangerously-bypass-hook-trust", *_hooks(start)]
        if start.mcp:
            argv += ["-c", f"mcp_servers.leasehold.command={json.dumps(start.mcp[0])}"]
            argv += ["-c", f"mcp_servers.leasehold.args={json.dumps(list(start.mcp[1:]))}"]
            # Else its first turn may come before the tools.
            argv += ["-c", "mcp_servers.leasehold.required=true"]
            argv += ["-c", "mcp_servers.leasehold.startup_timeout_sec=60"]
            argv += ["-c", f"mcp_servers.leasehold.env_vars={json.dumps(list(SESSION_VARIABLES))}"]
        argv += start.model_words()
        argv += start.args
        argv += ["resume", start.resume, "-"] if start.resume else ["-"]
        kept = (".codex/auth.json", ".codex/config.toml")
        env, links = own_home(start, kept, keep=(".codex/sessions",))
        if start.own:
            env["CODEX_HOME"] = str(start.home / ".codex")
        return Prepared(tuple(argv), env, {".codex/.keep": b""} if start.own else {}, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its events."""
        found = event(line, reading)
        if found is None:
            return
        match found.get("type"):
            case "thread.started":
                reading.native_session = text(found, "thread_id")
                reading.note("start")
            case "turn.started":
                reading.recovered()
            case "item.completed":
                _item(table(found, "item"), reading)
            case "error":
                words = text(found, "message") or "error"
                if words.startswith("Reconnecting"):
                    retries(reading, words)
                else:
                    fail(reading, words)
            case "turn.failed":
                fail(
                    reading, text(table(found, "error"), "message") or reading.error_text or "the turn failed"
                )
                reading.final = True
            case "turn.completed":
                usage = table(found, "usage")
                reading.used(
                    number(usage, "input_tokens"),
                    number(usage, "output_tokens"),
                    number(usage, "cached_input_tokens"),
                )
                reading.recovered()
                reading.conclude()

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: with a turn that was completed or failed."""
        return judge(reading, code, signal, name="Codex")


def _hooks(start: Start) -> list[str]:
    argv = []
    for name, phase, matcher in (
        ("SessionStart", "start", ""),
        ("PreToolUse", "before", "apply_patch|Bash"),
        ("PostToolUse", "after", "apply_patch|Bash"),
        ("Stop", "stop", ""),
    ):
        command = json.dumps(shlex.join((*start.hook, "codex", phase)))
        given = f"matcher={json.dumps(matcher)}, " if matcher else ""
        entry = f'[{{{given}hooks=[{{type="command", command={command}, timeout=30}}]}}]'
        argv += ["-c", f"hooks.{name}={entry}"]
    return argv


def _item(item: dict[str, Any], reading: Reading) -> None:
    match item.get("type"):
        case "agent_message":
            reading.turns += 1
            reading.say(text(item, "text"))
        case "command_execution":
            reading.call("shell", text(item, "command")[:200], {"exit_code": number(item, "exit_code")})
        case "file_change":
            for change in items(item, "changes"):
                path = text(change, "path")
                reading.call("edit", path)
                if path and item.get("status") != "failed":
                    reading.touch(path)
        case "mcp_tool_call":
            reading.call(text(item, "tool") or "mcp", text(item, "server"))
        case "error":
            reading.note("warning", text(item, "message"))
