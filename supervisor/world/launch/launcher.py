"""What every way of starting workers offers, whatever holds a session's processes together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import SessionSpec


class LaunchError(Exception):
    """The worker could not be started; one line says why."""


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that we started: who it is, and a pidfd that is readable once it has ended."""

    identity: ProcessId
    pidfd: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was left of a session without a worker: pids that were killed, and what would not die.

    A survivor reads "pid 123 (name, state D, wchan x)"; without one the session's tree is proven to be gone.
    `why` is what the rung knows of the worker's own end, as in "out of memory"; empty when that is nothing.
    """

    killed: tuple[int, ...] = ()
    survivors: tuple[str, ...] = ()
    why: str = ""

    @classmethod
    def of(cls, parts: Iterable[Cleared]) -> Cleared:
        """Return what was found in several places, as one."""
        parts = tuple(parts)
        return cls(
            tuple(pid for part in parts for pid in part.killed),
            tuple(survivor for part in parts for survivor in part.survivors),
            "; ".join(filter(None, (part.why for part in parts))),
        )

    @property
    def told(self) -> str:
        """What was done, to be put behind why the session was lost; empty when there was nothing to do."""
        parts = [self.why] if self.why else []
        if self.killed:
            noun = "process of its tree was" if len(self.killed) == 1 else "processes of its tree were"
            parts.append(f"{len(self.killed)} {noun} killed")
        if self.survivors:
            parts.append(f"could not be killed: {', '.join(self.survivors)}")
        return "".join(f"; {part}" for part in parts)


class Launcher(Protocol):
    """One way of starting workers. Its calls on one session never overlap."""

    rung: Rung

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        """Write the session's folder and start its worker; its socket listens once this returns.

        Raises:
            LaunchError: nothing was started, and nothing is left running.
        """

    async def clear(self, session: str, folder: Path) -> Cleared:
        """End every process that is left of a session whose worker is gone, and say what was found."""

    async def tidy(self, session: str, folder: Path) -> Cleared:
        """Let go of what is held for a session that ended by its worker's own record; end what still runs."""

    async def found(self) -> frozenset[str]:
        """Return the ids of the sessions of this installation that the rung holds something of.

        Raises:
            LaunchError: that cannot be seen now.
        """

    async def alive(self) -> frozenset[str]:
        """Return the ids of the sessions of this installation of which it sees living processes.

        Raises:
            LaunchError: that cannot be seen now.
        """
