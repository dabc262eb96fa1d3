"""The plugin that asks the edit hook in gptme, found as an entry point in a folder of the session's own."""

from __future__ import annotations

from collections.abc import Sequence

FOLDER = "gptme"
_NAME = "leasehold_gptme"
_PLUGIN = '''\
"""Leasehold: asks whether a file may be edited before gptme edits it. Made for one session."""
import json
import os
import re
import subprocess

from gptme.hooks import HookType, register_hook
from gptme.hooks.confirm import ConfirmationResult
from gptme.plugins import GptmePlugin

COMMAND = @COMMAND@
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


def register():
    ask("start")
    register_hook("leasehold.confirm", HookType.TOOL_CONFIRM, confirm, priority=1000)


plugin = GptmePlugin(name="leasehold", register_hooks=register)
'''


def gptme_plugin(hook: Sequence[str], before: str) -> dict[str, bytes]:
    """Return the plugin's files below `FOLDER`; `before` is the PYTHONPATH that gptme's own children get back."""
    text = _PLUGIN.replace("@COMMAND@", repr(list(hook)), 1).replace("@BEFORE@", repr(before), 1)
    entry = f"[gptme.plugins]\nleasehold = {_NAME}:plugin\n"
    return {
        f"{FOLDER}/{_NAME}.py": text.encode(),
        f"{FOLDER}/{_NAME}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1\n".encode(),
        f"{FOLDER}/{_NAME}-1.dist-info/entry_points.txt": entry.encode(),
    }
