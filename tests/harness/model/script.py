"""What a scripted model does, turn by turn: data, the same for every harness and every protocol."""

from __future__ import annotations

from dataclasses import dataclass


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


Act = Read | Edit | Create | Shell
Trouble = Fail | Silence | Stall | Drop


@dataclass(frozen=True, slots=True)
class Insist:
    """Do something again and again until the tool's result does not hold one of the words of a refusal."""

    act: Act
    words: tuple[str, ...] = ("busy", "held by", "EBUSY", "Failed to write", "leasehold:")
    times: int = 60


Turn = Say | Act | Trouble | Insist


@dataclass(slots=True)
class Script:
    """A task's turns and how far they are told. The task's text names it as `script:NAME`."""

    name: str
    root: str  # the repository's path, for tools that want absolute ones
    turns: list[Turn]
    at: int = 0
    spent: int = 0  # requests that the turn at `at` has had

    def take(self, results: list[str]) -> Say | Act | Trouble:
        """Return what this request is answered with, and move on. After the last turn it says "Done."."""
        if self.at < len(self.turns):
            turn = self.turns[self.at]
            if isinstance(turn, Insist):
                if not self.spent or (self.spent < turn.times and _refused(turn, results)):
                    self.spent += 1
                    return turn.act
                self._next()
                return self.take(results)
            if isinstance(turn, Fail):
                self.spent += 1
                if turn.times and self.spent >= turn.times:
                    self._next()
                return turn
            self._next()
            return turn
        return Say("Done.")

    def _next(self) -> None:
        self.at += 1
        self.spent = 0


def _refused(turn: Insist, results: list[str]) -> bool:
    told = "\n".join(results[-1:]).lower()
    return any(word.lower() in told for word in turn.words)
