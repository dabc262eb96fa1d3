"""What a program printed, as entries: a JSON array, an object with "tasks", or one object a line."""

from __future__ import annotations

import json

from supervisor.world.sources.values import Refused

_MOST = 50_000  # entries
_FORMS = 'print a JSON array of tasks, {"tasks": [...]}, or one JSON object a line'


def entries(output: bytes) -> list[object]:
    """Return the entries that `output` lists; no output at all is an empty list.

    Raises:
        Refused: it is none of the three forms, or lists too many.
    """
    try:
        text = output.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise Refused(f"printed what is not UTF-8 (byte {error.start})", _FORMS) from None
    try:
        found = _entries(text)
    except RecursionError:
        raise Refused("printed JSON that is nested too deeply", _FORMS) from None
    if len(found) > _MOST:
        raise Refused(f"listed {len(found)} tasks, more than {_MOST}", "let it filter them")
    return found


def _entries(text: str) -> list[object]:
    if not text:
        return []
    try:
        document = json.loads(text)
    except ValueError as error:
        return _lines(text, error)
    if isinstance(document, dict) and isinstance(document.get("tasks"), list):
        document = document["tasks"]
    elif isinstance(document, dict) and "tasks" not in document:
        document = [document]
    if not isinstance(document, list):
        raise Refused("printed JSON that is not a list of tasks", _FORMS)
    return document


def _lines(text: str, whole: ValueError) -> list[object]:
    """Return one entry for each line; a bad line makes all of them doubtful, as if cut off."""
    found: list[object] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError:
            at = (
                f"line {whole.lineno}"
                if number == 1 and isinstance(whole, json.JSONDecodeError)
                else f"line {number}"
            )
            raise Refused(f"printed what is not JSON ({at})", _FORMS) from None
    return found
