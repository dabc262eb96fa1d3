"""Agents without tool calls: they run the code blocks that the model writes, or apply its edit blocks."""

from __future__ import annotations

import json

from tests.harness.model.asked import Asked
from tests.harness.model.script import Act, Create, Edit, Read, Say, Script, Shell, Use

FENCE = "```"


def speaks(asked: Asked) -> bool:
    """Say whether this is such an agent, by what its first text tells the model of itself."""
    return form(asked) != ""


def form(asked: Asked) -> str:
    """Return "gptme", "aider", or an empty text."""
    first = "\n".join(asked.texts[:1])
    if "gptme" in first:
        return "gptme"
    return "aider" if "SEARCH/REPLACE" in "\n".join(asked.texts[:3]) else ""


def results(asked: Asked) -> list[str]:
    """Return what the agent reported after the task's text."""
    return asked.texts[-1:]


def text_for(turn: Say | Act, script: Script, asked: Asked) -> str:
    """Return the text that lets the agent do `turn`. One that asks only once gets all edits that follow with it."""
    if form(asked) == "gptme":
        return _gptme(turn)
    if isinstance(turn, Read):
        return f"First I need to see {turn.path}."  # it adds the file and asks again
    parts = [_aider(turn)]
    while not isinstance(turn, Say) and script.acts_next():
        following = script.take([])
        assert isinstance(following, Say | Act)
        turn = following
        parts.append(_aider(turn))
    return "\n\n".join(part for part in parts if part)


def _gptme(turn: Say | Act) -> str:
    match turn:
        case Say(text):
            return f"{text}\n\n{FENCE}complete\n{FENCE}"
        case Read(path):
            return f"{FENCE}shell\ncat {path}\n{FENCE}"
        case Shell(command):
            return f"{FENCE}shell\n{command}\n{FENCE}"
        case Create(path, text):
            return f"{FENCE}save {path}\n{text.rstrip()}\n{FENCE}"
        case Use(tool, arguments):
            return f"{FENCE}leasehold.{tool}\n{json.dumps(dict(arguments))}\n{FENCE}"
        case Edit(path, old, new):
            block = f"<<<<<<< ORIGINAL\n{old.rstrip()}\n=======\n{new.rstrip()}\n>>>>>>> UPDATED"
            return f"{FENCE}patch {path}\n{block}\n{FENCE}"


def _aider(turn: Say | Act) -> str:
    match turn:
        case Create(path, text):
            return f"{path}\n{FENCE}\n<<<<<<< SEARCH\n=======\n{text.rstrip()}\n>>>>>>> REPLACE\n{FENCE}"
        case Edit(path, old, new):
            change = f"<<<<<<< SEARCH\n{old.rstrip()}\n=======\n{new.rstrip()}\n>>>>>>> REPLACE"
            return f"{path}\n{FENCE}\n{change}\n{FENCE}"
        case Say(text):
            return text
        case _:
            return ""  # it cannot: its user runs commands and adds files
