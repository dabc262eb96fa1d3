"""Notes on a task: what a session or an operator wants its later sessions to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 30  # notes on one task; the oldest give way


@dataclass(frozen=True, slots=True)
class TaskNote:
    """One note; `by` is "operator" or "session ID", `at` Unix seconds."""

    by: str
    text: str
    at: float

    def as_json(self) -> dict[str, Any]:
        """Return the form that the journal and `task show --json` carry."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskNote:
        """Read what `as_json` wrote."""
        return cls(str(data["by"]), str(data["text"]), float(data["at"]))


def with_note(notes: tuple[TaskNote, ...], note: TaskNote) -> tuple[TaskNote, ...]:
    """Return the notes with one more, the latest last."""
    return (*notes, note)[-KEPT:]
