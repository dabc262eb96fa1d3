"""The grades of past sessions, summed for each way to run a task: what choosing among these ways learns from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Arm(NamedTuple):
    """One way to run a task of a lane."""

    lane: str
    harness: str
    model: str


@dataclass(slots=True)
class Tally:
    """How often a way was graded, and the sum of the grades."""

    n: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean grade; `None` without any."""
        return self.total / self.n if self.n else None


@dataclass(slots=True)
class Grades:
    """The tallies by way."""

    tallies: dict[Arm, Tally] = field(default_factory=dict)

    def add(self, arm: Arm, value: float) -> None:
        """Count a session's grade."""
        tally = self.tallies.setdefault(arm, Tally())
        tally.n += 1
        tally.total += value

    def change(self, arm: Arm, before: float, after: float) -> None:
        """Replace the grade of one session."""
        self.tallies.setdefault(arm, Tally()).total += after - before

    def of(self, arm: Arm) -> Tally:
        """Return the tally of a way; an unknown one is empty."""
        return self.tallies.get(arm) or Tally()
