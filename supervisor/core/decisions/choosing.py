"""Which harness runs a task that names none: Thompson sampling by what sessions of its lane were worth so far.

For each harness with its model a number is drawn from the Beta distribution that its grades in this lane leave open; the
highest wins. Little is known at first, so all are tried; later the better ones win most often. A floor share of the
choices is made blindly. The draws depend on the task and on how much is known, not on when one asks: what `next`
shows is what will be started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from supervisor.core.decisions.tables import Tables
from supervisor.core.history import draws
from supervisor.core.history.grades import Arm
from supervisor.core.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Drawn:
    """One candidate: what is known of it in this lane, and the number that was drawn for it."""

    harness: str
    model: str
    n: int
    mean: float | None
    drawn: float

    def told(self) -> str:
        """Return it in a few words."""
        known = f"mean {self.mean:.2f} of {self.n}" if self.mean is not None else "not graded yet"
        return f"{self.harness} {self.drawn:.2f} ({known})"


@dataclass(frozen=True, slots=True)
class Choice:
    """The harness that was chosen, and the draws, the highest first; `blind`: the floor chose, not the draws."""

    harness: str
    lane: str
    drawn: tuple[Drawn, ...]
    blind: bool

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        lane = f'lane "{self.lane}"' if self.lane else "tasks without a lane"
        draws = ", ".join(one.told() for one in self.drawn)
        if self.blind:
            return f"{self.harness} was chosen blindly, to learn of it in {lane}; drawn were: {draws}"
        return f"{self.harness} drew highest for {lane}: {draws}"

    def as_json(self) -> dict[str, Any]:
        """Return the form of `next --json` and of the event of the start."""
        return {
            "harness": self.harness,
            "blind": self.blind,
            "drawn": [asdict(one) for one in self.drawn],
            "sentence": self.sentence(),
        }


def choose(tables: Tables, task: Task, candidates: Sequence[str]) -> Choice:
    """Return which of `candidates`, all of which have room, runs the task."""
    lane = task.lane
    arms = [Arm(lane, name, task.model or tables.policy.harnesses[name].model) for name in candidates]
    known = sum(tables.grades.of(arm).n for arm in arms)
    seed = f"{task.key}/{len(tables.backlog.track(task.key).starts)}/{known}"
    drawn = sorted((_draw(tables, arm, seed) for arm in arms), key=lambda one: (-one.drawn, one.harness))
    blind = draws.uniform(f"{seed}/explore") < tables.policy.selection.explore
    harness = candidates[int(draws.uniform(f"{seed}/which") * len(candidates))] if blind else drawn[0].harness
    return Choice(harness, lane, tuple(drawn), blind)


def _draw(tables: Tables, arm: Arm, seed: str) -> Drawn:
    tally = tables.grades.of(arm)
    won = min(max(tally.total, 0.0), float(tally.n))  # the sum of rounded changes may be off by a hair
    number = draws.beta(1.0 + won, 1.0 + tally.n - won, f"{seed}/{arm.harness}/{arm.model}")
    mean = None if tally.mean is None else round(tally.mean, 3)
    return Drawn(arm.harness, arm.model, tally.n, mean, round(number, 4))
