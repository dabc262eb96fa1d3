"""The plugin that asks the edit hook in gptme and gives it the session's MCP server, found as an entry point in a folder of the session's own."""

from __future__ import annotations

from collections.abc import Sequence

FOLDER = "gptme"
_NAME = "leasehold_gptme"
_PLUGIN = '''\
"""Leasehold: asks whether a file may be edited before gptme edits it, and brings tools. Made for one session."""
import json
import os
import re
import subprocess
import sys

from gptme.hooks import HookType, register_hook
from gptme.hooks.confirm import ConfirmationResult
from gptme.plugins import GptmePlugin

COMMAND = @COMMAND@
SERVER = @SERVER@
PATH_BEFORE = @BEFORE@
EDITS = {"save", "append", "patch", "patch_many", "morph", "hashline_edit"}

# What gptme starts is to find its own modules, not this one.
if PATH_BEFORE:
    os.environ["PYTHONPATH"] = PATH_BEFORE
else:
    os.environ.pop("PYTHONPATH", None)


def ask(phase, tool="", path=""):
    given = {"tool_name": tool, "tool_input": {"path": path}, "cwd": os.getcwd()}
    try:
        said = subprocess.run(
            [*COMMAND, "plain", phase], input=json.dumps(given), capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # guard and gate say what they have to say
    return said.stderr.strip() if said.returncode == 1 else ""


def paths(use):
    named = (use.kwargs or {}).get("path")
    if use.tool == "patch_many":
        text = use.content or (use.kwargs or {}).get("patches") or ""
        return re.findall(r"^=== PATH: (.+?) ===", text, re.MULTILINE)
    # A code block gives what stands behind its fence: the tool's name, a blank, and the path.
    path = (named or " ".join(use.args or [])).strip().removeprefix(use.tool + " ").strip()
    return [os.path.expanduser(path)] if path else []


def confirm(tool_use, preview=None, workspace=None):
    if tool_use.tool not in EDITS:
        return None
    refused = next((why for path in paths(tool_use) if (why := ask("before", "save", path))), "")
    return ConfirmationResult.skip(refused) if refused else None


def bring_tools():
    """Connect to the session's MCP server, beside those of the account; the tools that gptme begins with are chosen already."""
    try:
        from gptme.config import MCPConfig, MCPServerConfig, get_config
        from gptme.tools import get_session_allowlist, set_session_allowlist
        from gptme.tools.mcp_adapter import load_mcp_server

        user = get_config().user
        user.mcp = user.mcp or MCPConfig()
        user.mcp.enabled = True  # those of an account that turned them off were passed over before
        user.mcp.servers.append(MCPServerConfig("leasehold", command=SERVER[0], args=SERVER[1:]))
        chosen = get_session_allowlist()
        if chosen is not None:
            set_session_allowlist([*chosen, "leasehold.*"])
        load_mcp_server("leasehold")
    except Exception as error:  # another version of gptme: it goes on without
        print(f"leasehold: no MCP tools: {error!r}", file=sys.stderr)


def register():
    if SERVER:
        bring_tools()
    if COMMAND:
        ask("start")
        register_hook("leasehold.confirm", HookType.TOOL_CONFIRM, confirm, priority=1000)


plugin = GptmePlugin(name="leasehold", register_hooks=register)
'''


def gptme_plugin(hook: Sequence[str], server: Sequence[str], before: str) -> dict[str, bytes]:
    """Return the plugin's files below `FOLDER`; `before` is the PYTHONPATH that gptme's own children get back.

    `hook` and `server` are commands, empty where there is none.
    """
    text = _PLUGIN.replace("@COMMAND@", repr(list(hook)), 1).replace("@SERVER@", repr(list(server)), 1)
    text = text.replace("@BEFORE@", repr(before), 1)
    entry = f"[gptme.plugins]\nleasehold = {_NAME}:plugin\n"
    return {
        f"{FOLDER}/{_NAME}.py": text.encode(),
        f"{FOLDER}/{_NAME}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1\n".encode(),
        f"{FOLDER}/{_NAME}-1.dist-info/entry_points.txt": entry.encode(),
    }
