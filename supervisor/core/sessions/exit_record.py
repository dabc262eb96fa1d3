"""The worker's record of how its harness ended, as it is read from a file that anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Causes of sessions whose harness never ran.
NEVER_RAN = frozenset({"unspawned", "unlaunched", "abandoned"})


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """What the worker wrote about the end of its harness; times are Unix seconds, `elapsed` seconds.

    `cause` says what began the end: "exited" (by itself), "unspawned", "unlaunched", "abandoned", "budget", "startup",
    "resident", "stall", "stop", "shutdown", "kill", "preempt" or "quota". Exactly one of `code` and `signal` is set once
    the harness was started. `leaked` are descendants that outlived the harness and were killed,
    `survivors` those that could not be, `unkillable` those of them that are gone since. `paused` are the seconds that it stood still, `limits` how often
    the kernel held it to a limit of its cgroup, `guard` the level of enforcement that it ran at, and what the guard did;
    `confined`, whether it could write in some folders only.
    """

    cause: str
    why: str = ""
    by: str = ""
    code: int | None = None
    signal: int | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    elapsed: float = 0.0
    leaked: tuple[Mapping[str, Any], ...] = ()
    survivors: tuple[Mapping[str, Any], ...] = ()
    unkillable: tuple[Mapping[str, Any], ...] = ()
    paused: float = 0.0
    limits: Mapping[str, int] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    guard: Mapping[str, Any] = field(default_factory=dict)
    confined: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExitRecord:
        """Read the worker's record, ignoring fields this version does not know.

        Raises:
            TypeError, ValueError, OverflowError: a field is not what a worker writes.
        """
        for name in ("code", "signal"):
            if data.get(name) is not None and type(data[name]) is not int:
                raise TypeError(f"{name} is {data[name]!r}")
        for name in ("leaked", "survivors", "unkillable"):
            if not all(isinstance(process, Mapping) for process in data.get(name) or ()):
                raise TypeError(f"{name} holds something that is no process")
        for name in ("limits", "log", "usage", "guard"):
            if not isinstance(data.get(name) or {}, Mapping):
                raise TypeError(f"{name} is no object")
        return cls(
            cause=str(data.get("cause", "")),
            why=str(data.get("why") or ""),
            by=str(data.get("by") or ""),
            code=data.get("code"),
            signal=data.get("signal"),
            started_at=float(data.get("started_at") or 0.0),
            ended_at=float(data.get("ended_at") or 0.0),
            elapsed=float(data.get("elapsed") or 0.0),
            leaked=tuple(data.get("leaked") or ()),
            survivors=tuple(data.get("survivors") or ()),
            unkillable=tuple(data.get("unkillable") or ()),
            paused=float(data.get("paused") or 0.0),
            limits=data.get("limits") or {},
            log=data.get("log") or {},
            usage=data.get("usage") or {},
            guard=data.get("guard") or {},
            confined=data.get("confined") is True,
        )
