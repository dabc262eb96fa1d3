"""Lines of JSON as harnesses print them: read without trust, and never fatal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from supervisor.core.sessions.reading import Reading

_EMPTY: dict[str, Any] = {}
_decode = msgspec.json.Decoder().decode


def event(line: bytes, reading: Reading) -> dict[str, Any] | None:
    """Return the object on a line; `None`, and count it as odd, when there is none."""
    line = line.strip()
    if not line:
        return None
    if line[:1] == b"{":
        try:
            found = _decode(line)
        except (msgspec.DecodeError, RecursionError):
            found = _leniently(line)
        if isinstance(found, dict):
            return found
    reading.odd += 1
    return None


def _leniently(line: bytes) -> object:
    # The standard library takes what strict JSON does not: NaN, half surrogates, bytes that are not UTF-8.
    try:
        found = json.loads(line.decode("utf-8", "replace"))
        return json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def table(value: object, key: str) -> dict[str, Any]:
    """Return the object under a key, empty when there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else _EMPTY


def items(value: object, key: str) -> list[dict[str, Any]]:
    """Return the objects of the list under a key."""
    found = value.get(key) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(value: object, *keys: str) -> str:
    """Return the first text under one of the keys, or ""."""
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if isinstance(found, str) and found:
                return found
    return ""


def texts(value: object, key: str) -> str:
    """Return the texts of the list under a key as one."""
    found = value.get(key) if isinstance(value, dict) else None
    return "; ".join(each for each in found if isinstance(each, str)) if isinstance(found, list) else ""


def number(value: object, *keys: str) -> int | None:
    """Return the first whole number under one of the keys."""
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if type(found) is int:
                return found
    return None


def about(arguments: object) -> str:
    """Return the one word of a tool call's arguments that tells people most: a path or a command."""
    if isinstance(arguments, str):
        return arguments[:200]
    return text(
        arguments,
        "file_path",
        "filePath",
        "path",
        "absolute_path",
        "command",
        "cmd",
        "pattern",
        "url",
        "query",
    )[:200]


def asks(reading: Reading) -> None:
    """Remember that the model was asked: a turn is what it answers."""
    reading.own["asked"] = True


def answers(reading: Reading) -> None:
    """Count the turn that was asked for, at the first word of the answer."""
    if reading.own.pop("asked", False):
        reading.turns += 1


def edit_begins(reading: Reading, call: str, path: str) -> None:
    """Remember which file a tool call is about to write, until it is told how it went."""
    if path:
        reading.own.setdefault("edits", {})[call] = path


def call_ends(reading: Reading, call: str, error: str | None) -> None:
    """Take in how a tool call went: it failed with these words, or wrote what it was to write."""
    path = reading.own.get("edits", {}).pop(call, "")
    if error is not None:
        reading.note("tool_error", error)
    elif path:
        reading.touch(path)


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return settings as a file has them."""
    return json.dumps(value, indent=1).encode()
