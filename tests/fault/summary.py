"""What the suite prints at its end: points, kills, outcomes, and how to repeat it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Trial:
    """One process that was made to die: where, what it did there, and what became of the sessions."""

    test: str
    point: str
    action: str
    kills: int
    outcomes: dict[str, int]
    back: float  # seconds from the start of the next supervisor until it had taken over
    wrong: list[str] = field(default_factory=list)


@dataclass
class Summary:
    """All trials of a run, and the seed that repeats its random ones."""

    seed: int
    trials: list[Trial] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the table."""
        total: Counter[str] = Counter()
        rows = []
        for trial in sorted(self.trials, key=lambda trial: (trial.test, trial.point)):
            total.update(trial.outcomes)
            told = " ".join(f"{name}:{count}" for name, count in sorted(trial.outcomes.items()))
            state = "ok" if not trial.wrong else f"{len(trial.wrong)} WRONG"
            rows.append(
                f"{trial.point:32} {trial.action:6} {trial.kills:5} {trial.back:7.2f}  {state:8} {told}"
            )
        kills = sum(trial.kills for trial in self.trials)
        slowest = max((trial.back for trial in self.trials), default=0.0)
        told = ", ".join(f"{name} {count}" for name, count in sorted(total.items()))
        return [
            f"{'point':32} {'action':6} {'kills':>5} {'back, s':>7}  {'promises':8} outcomes of sessions",
            *rows,
            f"{len(self.trials)} trials, {kills} kills, slowest return {slowest:.2f} s; sessions: {told}",
            f"repeat with: make test-fault FAULT='--fault-seed {self.seed}'",
        ]

    def write(self, path: Path) -> None:
        """Write the same as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))
