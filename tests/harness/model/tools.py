"""From what a script does to a call of the tools that the agent offers.

Agents name their tools and arguments differently. Which they have is read from their own request, so that a new
version of an agent needs a change here only when it uses a new word.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from tests.harness.model.asked import Asked, Call, Tool
from tests.harness.model.script import Act, Create, Edit, Read, Shell, Use

SHELLS = ("Bash", "bash", "run_shell_command", "exec_command", "shell", "shell_command", "run_commands")
READERS = ("Read", "read", "read_file", "view", "read_files")
EDITORS = ("Edit", "edit", "replace", "apply_diff", "str_replace_editor", "editor")
WRITERS = ("Write", "write", "write_file", "create", "editor")
PATHS = ("file_path", "filePath", "absolute_path", "path", "filename")
OLD = ("old_string", "oldString", "old_str", "oldText", "old_text")
NEW = ("new_string", "newString", "new_str", "newText", "new_text")
TEXT = ("content", "file_text", "text", "new_text", "newText")
COMMANDS = ("command", "cmd", "commands", "script")


class NoToolError(Exception):
    """The agent offers no tool that the script could use."""


def call_for(act: Act, asked: Asked, root: str) -> Call:
    """Return the tool call that does `act` in the agent that asked.

    Raises NoToolError when the agent offers no such tool.
    """
    tools = asked.tools
    if "exec" in tools and tools["exec"].free:
        return Call("exec", _code(act))
    if isinstance(act, Use):
        named = next(
            (name for name in tools if name.endswith((f"_{act.tool}", f"-{act.tool}"))),
            f"mcp__leasehold__{act.tool}",
        )
        return Call(named, dict(act.arguments))
    if isinstance(act, Shell):
        return _shell(act.command, tools)
    path = f"{root}/{act.path}"
    if isinstance(act, Read):
        if tool := _first(tools, READERS, PATHS):
            return Call(tool.name, _named(tool, {PATHS: path}))
        return _shell(f"cat {shlex.quote(act.path)}", tools)
    if isinstance(act, Edit):
        if tool := _first(tools, EDITORS, OLD):
            return Call(tool.name, _named(tool, {PATHS: path, OLD: act.old, NEW: act.new}))
        if tool := _first(tools, EDITORS, ("edits",)):
            edit = {"oldText": act.old, "newText": act.new}
            return Call(tool.name, _named(tool, {PATHS: path}) | {"edits": [edit]})
    elif tool := _first(tools, WRITERS, TEXT):
        return Call(tool.name, _named(tool, {PATHS: path, TEXT: act.text}))
    if asked.protocol == "responses":
        return _shell(f"apply_patch <<'PATCH'\n{_patch(act)}\nPATCH", tools)
    return _shell(_plain(act), tools)


def end_for(asked: Asked) -> Call | None:
    """Return the tool call that ends the run of an agent that takes no text for its end; `None` for all others."""
    end = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
    return _shell(end, asked.tools) if any(f"`{end}`" in text for text in asked.texts) else None


def _shell(command: str, tools: dict[str, Tool]) -> Call:
    tool = _first(tools, SHELLS, COMMANDS)
    if tool is None:
        raise NoToolError(f"no shell among {sorted(tools)}")
    value: object = [command] if _type(tool, COMMANDS) == "array" else command
    return Call(tool.name, _named(tool, {COMMANDS: value}))


def _first(tools: dict[str, Tool], names: Sequence[str], words: Sequence[str]) -> Tool | None:
    for name in names:
        if name in tools and any(word in tools[name].properties for word in words):
            return tools[name]
    return None


def _named(tool: Tool, values: dict[tuple[str, ...], object]) -> dict[str, object]:
    """Return the arguments under the tool's own names, and something for whatever else it needs."""
    given: dict[str, object] = {}
    for words, value in values.items():
        given |= {word: value for word in words[:] if word in tool.properties and not _has(given, words)}
    for name in tool.required:
        if name not in given:
            given[name] = _any(tool.properties.get(name), name)
    return given


def _has(given: dict[str, object], words: tuple[str, ...]) -> bool:
    return any(word in given for word in words)


def _type(tool: Tool, words: Sequence[str]) -> object:
    for word in words:
        if word in tool.properties:
            declared = tool.properties[word]
            return declared.get("type") if isinstance(declared, dict) else None
    return None


def _any(declared: object, name: str) -> object:
    kind = declared.get("type") if isinstance(declared, dict) else "string"
    if isinstance(declared, dict) and declared.get("enum"):
        return declared["enum"][0]
    return {"boolean": False, "number": 0, "integer": 0, "array": []}.get(str(kind), f"scripted {name}")


def _plain(act: Edit | Create) -> str:
    """Return the command for an agent that has a shell and nothing else."""
    if isinstance(act, Create):
        return f"printf %s {shlex.quote(act.text)} > {shlex.quote(act.path)}"
    lines = [
        "from pathlib import Path",
        f"path, old, new = Path({act.path!r}), {act.old!r}, {act.new!r}",
        "text = path.read_text()",
        "assert old in text",
        "path.write_text(text.replace(old, new, 1))",
    ]
    return "\n".join(["python3 - <<'EDIT'", *lines, "EDIT"])


def _patch(act: Edit | Create) -> str:
    if isinstance(act, Create):
        lines = [f"*** Add File: {act.path}", *(f"+{line}" for line in act.text.splitlines())]
    else:
        lines = [f"*** Update File: {act.path}", "@@"]
        lines += [f"-{line}" for line in act.old.splitlines()]
        lines += [f"+{line}" for line in act.new.splitlines()]
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def _code(act: Act) -> str:
    """Return the program for an agent whose one tool takes JavaScript that calls the others."""
    if isinstance(act, Edit | Create):
        return f"text(await tools.apply_patch({json.dumps(_patch(act))}));"
    if isinstance(act, Use):
        return f"text(await tools.mcp__leasehold__{act.tool}({json.dumps(dict(act.arguments))}));"
    command = act.command if isinstance(act, Shell) else f"cat {shlex.quote(act.path)}"
    return f"text(await tools.exec_command({json.dumps({'cmd': command})}));"
