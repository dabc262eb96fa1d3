"""What every way of starting workers offers, whatever holds a session's processes together."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.spec import SessionSpec


class LaunchError(Exception):
    """The worker could not be started; one line says why."""


class Rung(enum.Enum):
    """What holds the processes of one session together; the first is the strongest."""

    SYSTEM_UNITS = "system units"
    USER_UNITS = "user units"
    CGROUP = "cgroup"
    SWEEP = "sweep"

    @property
    def told(self) -> str:
        """The sentence for status, doctor and the session's own record."""
        return _TOLD[self]

    @property
    def cannot(self) -> str:
        """What it cannot promise, as a sentence; empty for the strongest."""
        return _CANNOT[self]


_TOLD = {
    Rung.SYSTEM_UNITS: "each session is a unit of the system's service manager, in a cgroup of its own",
    Rung.USER_UNITS: "each session is a unit of the user's service manager, in a cgroup of its own",
    Rung.CGROUP: "each session is in a cgroup of its own, which is killed as one",
    Rung.SWEEP: "each worker sweeps its own descendants; after a worker's death they are found by their environment",
}
_CANNOT = {
    Rung.SYSTEM_UNITS: "",
    Rung.USER_UNITS: "sessions end with the user's service manager; keep it with `loginctl enable-linger`",
    Rung.CGROUP: "nothing restarts the supervisor itself, and nobody but the worker keeps a session's exit status",
    Rung.SWEEP: (
        "once a worker was killed, a process that cleared its environment is not found; "
        "memory and processes of a session have no limit"
    ),
}


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

    async def found(self) -> frozenset[str]:
        """Return the ids of the sessions of this installation that the rung holds something of."""
