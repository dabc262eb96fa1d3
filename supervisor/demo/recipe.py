"""What the agent makes of its prompt: a stand-in for a model, the same whoever coordinates it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from supervisor.demo.story import CHANGELOG, entry

_CHECK = re.compile(r"Write `([^`]+)`: ([^.]+)\. Register `([^`]+)` in `([^`]+)`")
_RULE = re.compile(r"Add the rule `([^`]+)` to `([^`]+)`: ([^.]+)\.")
_BULLET = re.compile(r"^- (\S+)$", re.MULTILINE)
_DEFINED = re.compile(r"^def (\w+)\(tasks\):", re.MULTILINE)


class UnknownWorkError(Exception):
    """The prompt asks for something that this agent cannot do."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to a file: `line` goes into its list, or to its end if it has none; `body` to its end.

    A file that does not exist is made of `body` alone.
    """

    path: str
    line: str = ""
    body: str = ""

    def apply(self, text: str) -> str:
        """Return the file's text with the change; one that is there already is not repeated."""
        if self.line and self.line in text.splitlines():
            return text
        if self.line and "\n]\n" in text:
            text = text.replace("\n]\n", f"\n{self.line}\n]\n", 1)
        elif self.line:
            text += f"{self.line}\n"
        return text if self.body and self.body in text else text + self.body


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits to the task's own file, then to files that every session writes."""

    own: Edit
    shared: tuple[Edit, ...]

    def paths(self) -> tuple[str, ...]:
        """Return every path that the plan writes."""
        return (self.own.path, *(edit.path for edit in self.shared))


def plan(prompt: str, session: str, task: str) -> Plan:
    """Return the edits that a prompt asks for.

    Raises:
        UnknownWorkError: it asks for something else.
    """
    news = Edit(CHANGELOG, f"- {task}: done by session {session}")
    if found := _CHECK.search(prompt):
        path, purpose, name, registry = found.groups()
        body = f'"""{purpose.capitalize()}."""\n\n\ndef run(state):\n    return state.get("{name}", [])\n'
        return Plan(Edit(path, body=body), (Edit(registry, entry(name)), news))
    if found := _RULE.search(prompt):
        name, path, purpose = found.groups()
        body = (
            f'\n\ndef {name}(tasks):\n    """Rule: {purpose}."""\n'
            f'    return sorted(tasks, key=lambda task: task.get("{name}", 0))\n'
        )
        return Plan(Edit(path, entry(name), body), (news,))
    if "uncommitted work" in prompt and (found := _BULLET.search(prompt)):
        return Plan(Edit(found[1]), (news,))
    raise UnknownWorkError("the prompt names neither a check, nor a rule, nor uncommitted work")


def wired(edit: Edit, text: str) -> Edit:
    """Return the edit that finishes uncommitted work: the last rule that its list does not name joins the list."""
    loose = [name for name in _DEFINED.findall(text) if entry(name) not in text]
    return Edit(edit.path, entry(loose[-1])) if loose else edit
