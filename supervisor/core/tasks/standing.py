"""What the supervisor knows of a task besides its definition: where it stands and how it went before.

The journal keeps it; the source never does. A standing carries exactly its own data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.said import Kind, Said
from supervisor.core.tasks.notes import TaskNote


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing that the supervisor knows keeps it from running."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """Backing off after an attempt, until `until` (Unix seconds)."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """A live session has it."""

    session: str


@dataclass(frozen=True, slots=True)
class Held:
    """An operator took it out of the running."""

    by: str
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Parked:
    """It failed as often as it may; an operator must look at it."""

    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Done:
    """A session finished it."""

    session: str
    at: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An operator called it off."""

    by: str
    at: float


Standing = Ready | Cooling | Assigned | Held | Parked | Done | Cancelled

_KINDS: dict[str, type[Standing]] = {
    "ready": Ready,
    "cooling": Cooling,
    "assigned": Assigned,
    "held": Held,
    "parked": Parked,
    "done": Done,
    "cancelled": Cancelled,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}

_INTERRUPTED = frozenset({Outcome.LOST, Outcome.TIMED_OUT})
# Endings in the middle of the work: the agent's own session may be taken up again.
GOES_ON = frozenset(
    {
        Outcome.TIMED_OUT,
        Outcome.STALLED,
        Outcome.STOPPED,
        Outcome.KILLED,
        Outcome.PREEMPTED,
        Outcome.RATE_LIMITED,
        Outcome.UNAVAILABLE,
        Outcome.OVER_QUOTA,
        Outcome.LOST,
    }
)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest session of a task, as the next one is told about it; `at` is Unix seconds.

    `salvages` are the ids of uncommitted work kept from this session and those before it, `branch` has commits of theirs
    that are not where they belong, and `conflicts` are the paths that keep them from it. `said` is its last word on the task.
    `goes_on` is the session that was interrupted: this one or, where this one never ran, one before it.
    `repo` is where it worked, empty in a record of an earlier version.
    """

    session: str
    outcome: Outcome
    sentence: str
    at: float
    commits: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()
    salvages: tuple[str, ...] = ()
    branch: str = ""
    conflicts: tuple[str, ...] = ()
    said: Said | None = None
    goes_on: str = ""
    repo: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """The record of one task.

    `attempts` counts those that failed, `starts` has the instants of the latest starts (Unix seconds), however
    they ended; `priority` is an operator's override, `notes` what sessions and operators wrote down for later sessions.
    """

    standing: Standing = Ready()
    attempts: int = 0
    last: LastRun | None = None
    priority: int | None = None
    starts: tuple[float, ...] = ()
    notes: tuple[TaskNote, ...] = ()

    def interrupted(self) -> bool:
        """Tell whether its latest session left work under way.

        A preempted one did not: its task gave way, and would be back before what it gave way to.
        """
        if self.last is None or self.last.outcome is Outcome.PREEMPTED:
            return False
        return (
            bool(self.last.dirty or self.last.salvages or self.last.branch)
            or self.last.outcome in _INTERRUPTED
            or (self.last.said is not None and self.last.said.kind is Kind.HANDED_OVER)
        )

    def moved(self, standing: Standing) -> Track:
        """Return the same record at another standing."""
        return replace(self, standing=standing)

    def as_json(self) -> dict[str, Any]:
        """Return the form the journal keeps."""
        data: dict[str, Any] = {"standing": standing_name(self.standing), **asdict(self.standing)}
        data["attempts"] = self.attempts
        if self.priority is not None:
            data["priority"] = self.priority
        if self.starts:
            data["starts"] = list(self.starts)
        if self.last is not None:
            said = self.last.said.as_json() if self.last.said is not None else None
            data["last"] = {**asdict(self.last), "outcome": self.last.outcome.value, "said": said}
        if self.notes:
            data["notes"] = [note.as_json() for note in self.notes]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Track:
        """Read what `as_json` wrote.

        Raises:
            ValueError: the standing or the outcome is not one that this version knows.
        """
        kind = _KINDS.get(str(data.get("standing")))
        if kind is None:
            raise ValueError(f"unknown standing {data.get('standing')!r}")
        standing = kind(**{name: data[name] for name in kind.__dataclass_fields__})
        last = data.get("last")
        return cls(
            standing=standing,
            attempts=int(data.get("attempts", 0)),
            priority=data.get("priority"),
            starts=tuple(data.get("starts", ())),
            notes=tuple(map(TaskNote.from_json, data.get("notes", ()))),
            last=last
            and LastRun(
                session=last["session"],
                outcome=Outcome(last["outcome"]),
                sentence=last["sentence"],
                at=last["at"],
                commits=tuple(last["commits"]),
                dirty=tuple(last["dirty"]),
                salvages=tuple(last.get("salvages", ())),
                branch=str(last.get("branch", "")),
                conflicts=tuple(last.get("conflicts", ())),
                said=Said.from_json(last["said"]) if last.get("said") else None,
                goes_on=str(last.get("goes_on", "")),
                repo=str(last.get("repo", "")),
            ),
        )


def standing_name(standing: Standing) -> str:
    """Return the word that CLI, logs and journal use for it."""
    return _NAMES[type(standing)]
