"""The stream of Claude Code (`--output-format stream-json`), and of those that print the like."""

from __future__ import annotations

import math
from typing import Any

from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.failures import fail, retries
from supervisor.world.harness.lines import (
    about,
    call_ends,
    edit_begins,
    event,
    items,
    number,
    table,
    text,
    texts,
)

_EDITS = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit", "edit", "write_file", "replace"})
_ENDS = {
    "error_max_turns": VerdictKind.MAX_TURNS,
    "error_max_budget_usd": VerdictKind.BUDGET,
    "error_max_structured_output_retries": VerdictKind.ERROR,
}
_BY_RUN = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_BY_MODEL = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")


def hear(line: bytes, reading: Reading) -> None:
    """Take in one line."""
    found = event(line, reading)
    if found is None:
        return
    match found.get("type"):
        case "assistant":
            _assistant(found, reading)
        case "user":
            _results(found, reading)
        case "system":
            _system(found, reading)
        case "result":
            _result(found, reading)
        case "rate_limit_event":
            _limits(table(found, "rate_limit_info"), reading)


def _limits(info: dict[str, Any], reading: Reading) -> None:
    """Take note of where the account's limit stands; one that is used up tells until when."""
    reading.note("note", "rate limit", info)
    at = number(info, "resetsAt")
    reading.limited_until = float(at) if at is not None and text(info, "status") == "rejected" else None


def _system(found: dict[str, Any], reading: Reading) -> None:
    match found.get("subtype"):
        case "init":
            reading.native_session = text(found, "session_id") or reading.native_session
            reading.model = text(found, "model") or reading.model
            reading.note("start", reading.model)
        case "api_retry" | "retry":
            status = number(found, "error_status", "status")
            words = text(found, "error", "message") or f"status {status}"
            retries(reading, f"{words}, attempt {found.get('attempt')} of {found.get('max_retries')}", status)


def _assistant(found: dict[str, Any], reading: Reading) -> None:
    message = table(found, "message")
    if number(table(message, "usage"), "output_tokens") is not None:
        _usage(message, reading)
    if not found.get("parent_tool_use_id"):
        model = text(message, "model")
        reading.model = model if model and not model.startswith("<") else reading.model
    turn = text(message, "id")
    if turn != reading.own.get("turn") and _is_a_call(message):
        reading.own["turn"] = turn
        reading.turns += 1
    for block in items(message, "content"):
        match block.get("type"):
            case "text":
                reading.say(text(block, "text"))
            case "tool_use":
                given = block.get("input")
                reading.call(text(block, "name"), about(given))
                if block.get("name") in _EDITS:
                    path = text(given, "file_path", "notebook_path", "path")
                    edit_begins(reading, text(block, "id"), path)


def _is_a_call(message: dict[str, Any]) -> bool:
    """Tell whether a line stands for a model call.

    Qwen Code tells words before their call apart, with a usage of zero; Claude Code words an error as a message of no model.
    """
    usage = table(message, "usage")
    if text(message, "model").startswith("<"):
        return False
    return not usage or bool(number(usage, "input_tokens") or number(usage, "output_tokens"))


def _usage(message: dict[str, Any], reading: Reading) -> None:
    """Count one model call; one that comes in several lines carries the same usage in each."""
    usage = table(message, "usage")
    seen = text(message, "id")
    if seen and seen == reading.own.get("counted"):
        return
    reading.own["counted"] = seen
    cached = number(usage, "cache_read_input_tokens") or 0
    made = number(usage, "cache_creation_input_tokens") or 0
    fresh = number(usage, "input_tokens") or 0
    reading.used(fresh + cached + made, number(usage, "output_tokens"), cached)


def _results(found: dict[str, Any], reading: Reading) -> None:
    for block in items(table(found, "message"), "content"):
        if block.get("type") != "tool_result":
            continue
        error = None
        if block.get("is_error"):
            said = block.get("content")
            error = said if isinstance(said, str) else str(said)[:400]
        call_ends(reading, text(block, "tool_use_id"), error)


def _own_cost(found: dict[str, Any], usage: dict[str, Any], reading: Reading) -> object:
    """Return the cost of this session alone: one that goes on may have that of the earlier one in its sum.

    It has, where what it counted by model exceeds what was counted before by at least what this session used. An
    agent that no longer remembers that begins at nothing.
    """
    cost: object = found.get("total_cost_usd")
    if not isinstance(cost, int | float):
        return cost
    models = table(found, "modelUsage")
    tokens = sum(_tokens(table(models, name), _BY_MODEL) for name in models)
    before = reading.own.get("before", {})
    reading.own["sums"] = {"cost": cost, "tokens": tokens}
    went_on = tokens - before.get("tokens", math.inf) >= _tokens(usage, _BY_RUN)
    return max(0.0, cost - before["cost"]) if went_on and "cost" in before else cost


def _tokens(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(number(usage, name) or 0 for name in names)


def _result(found: dict[str, Any], reading: Reading) -> None:
    reading.native_session = text(found, "session_id") or reading.native_session
    usage = table(found, "usage")
    if usage:
        cached = number(usage, "cache_read_input_tokens") or 0
        made = number(usage, "cache_creation_input_tokens") or 0
        reading.total(
            (number(usage, "input_tokens") or 0) + cached + made, number(usage, "output_tokens"), cached
        )
    reading.costs(_own_cost(found, usage, reading))
    subtype = text(found, "subtype")
    said = text(found, "result") or text(table(found, "error"), "message") or text(found, "error")
    if subtype in _ENDS:
        reading.fail(_ENDS[subtype], said or subtype.replace("_", " "))
    elif text(found, "terminal_reason").startswith("aborted"):
        reading.fail(VerdictKind.ABORTED, said or f"interrupted: {text(found, 'terminal_reason')}")
    elif found.get("is_error") or subtype.startswith("error"):
        fail(
            reading,
            said or texts(found, "errors") or subtype,
            number(found, "api_error_status"),
        )
    else:
        reading.recovered()
        reading.turns = reading.turns or number(found, "num_turns") or 0
    reading.conclude(text(found, "result"))
