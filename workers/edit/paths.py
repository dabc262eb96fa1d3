"""Which files a tool call would edit, whatever agent makes it."""

from workers.gate.wire import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EDITS = frozenset(
    {
        "edit",
        "write",
        "multiedit",
        "notebookedit",
        "write_file",
        "writefile",
        "replace",
        "create",
        "str_replace_editor",
        "str_replace",
        "patch",
        "apply_patch",
        "insert",
        "save",
        "append",
        "morph",
    }
)
_KEYS = ("file_path", "filePath", "path", "notebook_path", "absolute_path")
_TEXTS = ("command", "patch", "patchText", "patch_text", "input", "diff")
_HEADS = ("*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: ")
_READS = frozenset({"view", "read"})  # commands of an editor tool that change nothing


def edited(call: "dict[str, Any]") -> "tuple[str, list[str]]":
    """Return the tool's name and the files that it would edit; none for a tool that is no edit."""
    tool = _first(call, ("tool_name", "toolName", "tool"))
    given: object = call.get("tool_input", call.get("toolArgs", call.get("args")))
    if isinstance(given, str):
        given = _table(given)
    if not isinstance(given, dict):
        return tool, []
    patch = [path for key in _TEXTS for path in patched(given.get(key))]
    if patch or tool.lower() not in _EDITS or given.get("command") in _READS:
        return tool, patch
    path = _first(given, _KEYS)
    return tool, [path] if path else []


def patched(text: object) -> "list[str]":
    """Return the files that a patch in the apply_patch form names; also one that a shell command carries."""
    if not isinstance(text, str) or "*** Begin Patch" not in text:
        return []
    lines = text.splitlines()
    return [line[len(head) :].strip() for line in lines for head in _HEADS if line.startswith(head)]


def _table(text: str) -> object:
    try:
        return parsed(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {"patch": text}


def _first(table: "dict[str, Any]", keys: "tuple[str, ...]") -> str:
    for key in keys:
        found = table.get(key)
        if isinstance(found, str) and found:
            return found
    return ""
