"""What a harness told of its session, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FILES = 8  # names of files that are shown
_WORDS = 300  # characters of a text that are shown


def facts(heard: Mapping[str, Any], asked: str = "") -> list[str]:
    """Return a line for each thing that is known; `asked` is the model that the harness was told to use."""
    if not heard or heard.get("adapter") == "command":
        return []
    lines = [_line("model", heard.get("model") or asked or "unknown")]
    lines.append(
        _line("work", f"{_counted(heard['turns'], 'turn')}, {_counted(heard['tool_calls'], 'tool call')}")
    )
    lines.append(_line("used", used(heard)))
    if files := heard.get("files"):
        more = len(files) - _FILES + heard.get("files_more", 0)
        lines.append(_line("files", ", ".join(files[:_FILES]) + (f" and {more} more" if more > 0 else "")))
    if heard.get("hooks") == "silent":
        lines.append(
            _line("hooks", "it edited files and never ran the hooks it was given (event session.unhooked)")
        )
    if error := heard.get("error"):
        lines.append(_line("error", f"{error['kind'].replace('_', ' ')}: {_short(error['text'])}"))
    said = heard.get("result") or heard.get("message")
    if said:
        lines.append(_line("result" if heard.get("result") else "says", _short(said)))
    if heard.get("native_session"):
        lines.append(_line("its own id", heard["native_session"]))
    return lines


def held_by(session: Mapping[str, Any]) -> list[str]:
    """Return a line each for what holds a session's processes together, and what enforces its leases."""
    from supervisor.world.launch.rung import Rung
    from supervisor.world.level import Level

    lines = []
    if rung := session.get("rung"):
        told = next((each.told for each in Rung if each.value == rung), "")
        lines.append(_line("processes", f"{rung}: {told}" if told else rung))
    if level := session.get("level"):
        told = next((each.told for each in Level if each.name.lower() == level), level)
        lines.append(_line("enforcement", told + ("; confined" * bool(session.get("confined")))))
    return lines


def used(heard: Mapping[str, Any]) -> str:
    """Return tokens and cost in words; what the harness did not tell is called unknown."""
    tokens_in, tokens_out, cost = (heard.get(name) for name in ("tokens_in", "tokens_out", "cost_usd"))
    if tokens_in is None and tokens_out is None:
        tokens = "tokens unknown"
    else:
        cached = f" ({heard['tokens_cached']} cached)" if heard.get("tokens_cached") else ""
        tokens = f"{tokens_in or 0} tokens in{cached}, {tokens_out or 0} out"
    return f"{tokens}, {'cost unknown' if cost is None else f'{cost:.4f} USD'}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}…"


def _line(name: str, value: str) -> str:
    return f"{name:<12} {value}"
