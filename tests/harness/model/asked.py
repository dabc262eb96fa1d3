"""What an agent asked of the model, whatever protocol it used."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

INPUT, OUTPUT = 1200, 50  # tokens of every reply
_NAME = re.compile(r"script:([a-z0-9][a-z0-9-]*)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the agent offers: the properties of its arguments, or none where it takes free text."""

    name: str
    properties: dict[str, Any]
    required: tuple[str, ...] = ()
    free: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    protocol: str
    model: str
    stream: bool
    tools: dict[str, Tool]
    texts: list[str]  # of the user and the system, in order
    results: list[str]  # what the tools gave back, in order: what the model was told
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def script(self) -> str | None:
        """Return the name of the script that the task's text asks for."""
        for text in self.texts:
            if found := _NAME.search(text):
                return found[1]
        return None

    def told(self) -> str:
        """Return all that the model was told: texts and results of tools."""
        return "\n".join([*self.texts, *self.results])


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model: arguments, or text for a tool that takes free text."""

    tool: str
    arguments: dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers; with the same usage each time, so that sums can be checked."""

    number: int  # of the request, for the identifiers in the reply
    model: str
    text: str = ""
    call: Call | None = None


def schema(declared: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the properties of a tool's arguments, and which it needs."""
    if not isinstance(declared, dict):
        return {}, ()
    return dict(declared.get("properties") or {}), tuple(declared.get("required") or ())


def plain(content: Any) -> list[str]:
    """Return the texts of a message's content, which protocols give as text or as parts."""
    if isinstance(content, str):
        return [content]
    found: list[str] = []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(part["text"])
    return found
