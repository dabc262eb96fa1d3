"""The plateau warning: recent assignments are dominated by one lane while another is neglected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Alternative:
    """A ready task in a neglected lane; `assigned` is how often the window has that lane."""

    id: str
    title: str
    lane: str
    assigned: int


@dataclass(frozen=True, slots=True)
class Plateau:
    """The warning: `count` of the last `window` assignments went to `lane`; `share` is in (0, 1]."""

    lane: str
    share: float
    count: int
    window: int
    alternative: Alternative | None

    def sentence(self) -> str:
        """Return the one line that text, brief and log show."""
        text = (
            f"plateau: {self.count} of the last {self.window} assignments ({self.share:.0%}) "
            f'were in lane "{self.lane}"'
        )
        other = self.alternative
        if other is None:
            return f"{text}; no task of another lane is ready"
        return (
            f'{text}; consider {other.id} "{other.title}" in lane "{other.lane}", which had {other.assigned}'
        )

    def as_json(self) -> Mapping[str, Any]:
        """Return the same facts, and the same sentence, for JSON."""
        other = self.alternative
        return {
            "dominant_lane": self.lane,
            "share": self.share,
            "count": self.count,
            "window": self.window,
            "alternative": None
            if other is None
            else {"id": other.id, "title": other.title, "lane": other.lane, "assigned": other.assigned},
            "sentence": self.sentence(),
        }


def warning(
    recent: Sequence[str], ready: Iterable[tuple[str, str, str]], share: float, minimum: int
) -> Plateau | None:
    """Return the warning that the lanes of recent assignments deserve, `None` if they are varied.

    `recent` holds the lanes of the assignments in the window, oldest first; `ready` the ready tasks
    as (id, title, lane), best first. The window is dominated when it has at least `minimum`
    assignments and the most common lane has at least `share` of them. A task without a lane counts
    in the window, but "no lane" neither dominates nor is offered as an alternative.
    """
    counts = Counter(recent)
    lanes = [lane for lane in dict.fromkeys(reversed(recent)) if lane]
    if not lanes or len(recent) < minimum:
        return None
    dominant = max(lanes, key=lambda lane: counts[lane])  # a tie goes to the lane assigned last
    count = counts[dominant]
    if count / len(recent) < share:
        return None
    others = [task for task in ready if task[2] not in {"", dominant}]
    alternative = None
    if others:
        task_id, title, lane = min(others, key=lambda task: counts[task[2]])  # a tie goes to the best ranked
        alternative = Alternative(task_id, title, lane, counts[lane])
    return Plateau(dominant, count / len(recent), count, len(recent), alternative)
