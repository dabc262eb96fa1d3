"""Claude Code."""

from __future__ import annotations

import shlex

from supervisor.core.sessions.reading import Reading, Verdict
from supervisor.world.harness import claude_events
from supervisor.world.harness.adapter import Direct, Prepared, Start
from supervisor.world.harness.failures import judge
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import as_json

QUIET = {
    "IS_SANDBOX": "1",  # as root it refuses to work without questions otherwise
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
_SETTINGS = "claude-settings.json"
_MCP = "claude-mcp.json"


class Claude(Direct):
    """Takes its hooks and MCP servers by flag, so the account's home stays as it is."""

    name = "claude"
    program = "claude"
    package = "npm:@anthropic-ai/claude-code"
    tested = "2.1.330"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "usage", "cost", "preset_id", "max_turns", "moves"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; the brief comes on standard input."""
        argv = [*start.program, "-p", "--output-format", "stream-json", "--verbose"]
        argv += ["--dangerously-skip-permissions"]
        argv += start.session_words()
        argv += start.model_words()
        home, links = own_home(start, (".claude/.credentials.json",), keep=(".claude/projects",))
        env = QUIET | home
        files: dict[str, bytes] = {}
        if start.hook:
            files[_SETTINGS] = as_json({"hooks": _hooks(start)})
            argv += ["--settings", str(start.home / _SETTINGS)]
        if start.mcp:
            server = {"type": "stdio", "command": start.mcp[0], "args": list(start.mcp[1:])}
            files[_MCP] = as_json({"mcpServers": {"leasehold": server}})
            argv += ["--mcp-config", str(start.home / _MCP)]
        if start.own:
            env["CLAUDE_CONFIG_DIR"] = str(start.home / ".claude")
        return Prepared((*argv, *start.args), env, files, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of its stream."""
        claude_events.hear(line, reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: its result says so, whatever the exit code."""
        return judge(reading, code, signal, name="Claude Code")


def _hooks(start: Start) -> dict[str, object]:
    def one(phase: str, matcher: str = "") -> list[dict[str, object]]:
        # A hook that crashes lets the edit through unless it is told otherwise; the gate refuses it later anyway.
        hook = {"type": "command", "command": shlex.join((*start.hook, "claude", phase)), "timeout": 30}
        if phase == "before":
            hook["onFailure"] = "block"
        return [{"matcher": matcher, "hooks": [hook]} if matcher else {"hooks": [hook]}]

    edits = "Edit|Write|MultiEdit|NotebookEdit"
    return {
        "SessionStart": one("start"),
        "PreToolUse": one("before", edits),
        "PostToolUse": one("after", edits),
        "Stop": one("stop"),
    }
