"""What a scripted model does, turn by turn: data, the same for every harness and every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with text alone, which ends the agent's run."""

    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """Look at a file; some agents refuse to edit what they have not read."""

    path: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace one piece of a file's text by another, with the agent's edit tool."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Create:
    """Write a whole new file, with the agent's write tool."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Run a command with the agent's shell tool."""

    command: str


@dataclass(frozen=True, slots=True)
class Use:
    """Call a tool of the session's MCP server, which an agent may offer under a longer name or only when it is looked for."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an HTTP status, as an account without credit or a server in trouble would."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    times: int = 1  # so many requests; 0: every one from now on


@dataclass(frozen=True, slots=True)
class Silence:
    """Take the request and never answer."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Begin a stream, and never send the rest of it."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Begin a stream, and close the connection."""


Act = Read | Edit | Create | Shell | Use
Trouble = Fail | Silence | Stall | Drop


@dataclass(frozen=True, slots=True)
class Meet:
    """Answer nothing until so many scripts have come to the meeting of this name."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Insist:
    """Do something again and again until the last tool's result does not hold one of the words of a refusal."""

    acts: tuple[Act, ...]
    words: tuple[str, ...] = ("busy", "held by", "Failed to write", "modified since", "leasehold:")
    times: int = 60
    meet: Meet | None = None  # after the first time, before its result counts
    again: tuple[Act, ...] = ()  # done before each further time, such as to wait for the file


Turn = Say | Act | Trouble | Meet | Insist


@dataclass(slots=True)
class Script:
    """A task's turns and how far they are told. The task's text names it as `script:NAME`."""

    name: str
    root: str  # the repository's path, for tools that want absolute ones
    turns: list[Turn]
    at: int = 0
    spent: int = 0  # answers that the turn at `at` has given
    ahead: list[Act] = field(default_factory=list)  # what is left of a round of insisting
    met: bool = False  # the meeting of the turn at `at` is behind us

    def take(self, results: list[str]) -> Say | Act | Trouble | Meet:
        """Return what this request is answered with, and move on. After the last turn it says "Done.".

        A `Meet` is no answer: ask again when all have come.
        """
        if self.at >= len(self.turns):
            return Say("Done.")
        turn = self.turns[self.at]
        if isinstance(turn, Insist):
            return self._insist(turn, results)
        self.spent += 1
        if not (isinstance(turn, Fail) and (not turn.times or self.spent < turn.times)):
            self._next()
        return turn

    def acts_next(self) -> bool:
        """Say whether the next turn is something done, or the text at the end."""
        return self.at < len(self.turns) and isinstance(self.turns[self.at], Say | Act)

    def _insist(self, turn: Insist, results: list[str]) -> Say | Act | Trouble | Meet:
        if not self.ahead:
            if self.spent:
                if turn.meet and not self.met:
                    self.met = True
                    return turn.meet
                if self.spent >= turn.times or not _refused(turn, results):
                    self._next()
                    return self.take(results)
            self.ahead = [*(turn.again if self.spent else ()), *turn.acts]
            self.spent += 1
        return self.ahead.pop(0)

    def _next(self) -> None:
        self.at += 1
        self.spent = 0
        self.met = False


def _refused(turn: Insist, results: list[str]) -> bool:
    told = "\n".join(results[-1:]).lower()
    return any(word.lower() in told for word in turn.words)
