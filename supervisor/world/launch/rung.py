"""The ladder of what can hold a session's processes together, strongest first."""

from __future__ import annotations

import enum


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
    Rung.SWEEP: "each worker sweeps its own descendants; after a worker's death they are found by their environment and beside those that have it",
}
_CANNOT = {
    Rung.SYSTEM_UNITS: "",
    Rung.USER_UNITS: "sessions end with the user's service manager; keep it with `loginctl enable-linger`",
    Rung.CGROUP: "nothing restarts the supervisor itself, and nobody but the worker keeps a session's exit status",
    Rung.SWEEP: (
        "once a worker was killed, a process that cleared its environment and left the harness's session of processes "
        "(setsid), or is alone in it, is not found; "
        "memory and processes of a session have no limit"
    ),
}
