"""What an adapter is: the one place that knows a harness's command line, its events and its ways of ending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from supervisor.core.sessions.reading import Reading, Verdict

PROMPT = "{prompt}"  # in an argument vector: the brief stands here
PROMPT_FILE = "{prompt_file}"  # the path of a file with it

# What a program of a session needs to speak for it; some agents hand on only what is named.
SESSION_VARIABLES = (
    "LEASEHOLD_SESSION",
    "LEASEHOLD_TASK",
    "LEASEHOLD_SOCKET",
    "LEASEHOLD_TOKEN",
    "LEASEHOLD_REPO",
    "LEASEHOLD_NOTICE",
)


@dataclass(frozen=True, slots=True)
class Start:
    """What one session of a harness is to be started with.

    `program` is the command that starts the real agent. `native` is the id that the harness's own session gets, where
    it takes one; `resume` that of an earlier one that is to go on, whose home was `before`. `home` is the session's own folder for settings,
    which is made with the files of `Prepared`, `user` the home of the account. `own` tells that the
    harness is to have no other home. `hook` is the command of the edit hook and `mcp` that of the session's MCP server;
    empty where there is none. `args` are the operator's own. `env` is the environment otherwise.
    """

    program: tuple[str, ...]
    session: str
    native: str
    home: Path
    user: Path
    model: str = ""
    resume: str = ""
    before: Path | None = None
    own: bool = False
    hook: tuple[str, ...] = ()
    mcp: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def model_words(self) -> tuple[str, ...]:
        """Return the arguments that name the model, none where the agent's default is meant."""
        return ("--model", self.model) if self.model else ()

    def session_words(self) -> tuple[str, ...]:
        """Return the arguments of an agent that takes the id of its session, of the one that goes on or a new one."""
        return ("--resume", self.resume) if self.resume else ("--session-id", self.native)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The command line, with `{prompt}` or `{prompt_file}` where the brief goes (else it goes to standard input).

    `env` are variables on top of the session's. `files` go below the session's own home, by relative path; `links` are made there and
    lead to the account's own files (credentials), those that are there. `over` names the account's JSON file that one of
    `files` is laid over: what ours does not set stays as the account has it. `fetched` are those of `links` to folders in which the
    harness installs what it needs: where the account has none, all sessions share one of the supervisor's.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, Path] = field(default_factory=dict)
    over: Mapping[str, Path] = field(default_factory=dict)
    fetched: tuple[str, ...] = ()


@runtime_checkable
class Adapter(Protocol):
    """One harness. All methods but `real` are pure, and none fails on what a harness prints."""

    name: str
    program: str  # looked for in PATH
    package: str  # as in "npm:@openai/codex" or "pypi:gptme"
    tested: str  # the version that this adapter was tried with
    stop: str  # the signal that ends it kindly, as in "TERM"
    # Of "hooks", "mcp", "resume", "usage", "cost", "preset_id", "max_turns", "moves" (its sessions go on in another folder).
    can: frozenset[str]

    def version(self, program: tuple[str, ...]) -> list[str]:
        """Return the command that prints the version."""

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the command of the agent itself, where the program in PATH is a parent that hides it."""

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started."""

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line that the harness printed; never fails."""

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended, from its last words and its exit; `None` where the exit code says all there is.

        The end of what it wrote on standard error is in `reading.errors` then.
        """


class Direct:
    """An agent whose program in PATH is the agent itself, and which tells its version as nearly every program does."""

    def version(self, program: tuple[str, ...]) -> list[str]:
        """Return the command that prints the version."""
        return [*program, "--version"]

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the program itself."""
        return (str(found),)
