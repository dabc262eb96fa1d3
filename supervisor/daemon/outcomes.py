"""The report: outcomes and grades counted from the journal, by harness, model, tier, repository, lane and schedule.

Text and JSON are both made from what `report` returns, the form in brackets included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from supervisor.core.history.grade import PASS
from supervisor.world.journal.entries import SessionRow


@dataclass(slots=True)
class _Count:
    """What is counted of the sessions that have one thing in common."""

    n: int = 0
    seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    graded: int = 0
    total: float = 0.0
    passed: int = 0
    tokens: int = 0
    cost: float = 0.0
    untold: int = 0

    def add(self, row: SessionRow) -> None:
        assert row.outcome is not None  # noqa: S101  - only sessions that have ended are counted
        assert row.ended_at is not None  # noqa: S101
        self.n += 1
        self.seconds += row.ended_at - row.started_at
        self.outcomes[row.outcome] = self.outcomes.get(row.outcome, 0) + 1
        if row.grade is not None:
            value = float(row.grade["value"])
            self.graded += 1
            self.total += value
            self.passed += value >= PASS
        heard = _heard(row)
        tokens = [heard[name] for name in ("tokens_in", "tokens_out") if heard.get(name) is not None]
        self.tokens += sum(tokens)
        self.cost += heard.get("cost_usd") or 0.0
        self.untold += not tokens and heard.get("cost_usd") is None

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "finished_share": round(self.outcomes.get("finished", 0) / self.n, 3),
            "mean_seconds": round(self.seconds / self.n, 1),
            "outcomes": self.outcomes,
            "grade": self.grade(),
            "used": self.used(),
        }

    def used(self) -> dict[str, Any]:
        """Return tokens and cost as far as harnesses told them, and how many sessions told neither."""
        return {"tokens": self.tokens, "cost_usd": round(self.cost, 6), "untold": self.untold}

    def grade(self) -> dict[str, Any]:
        """Return the mean grade and the share that passed, of those that have a grade; `None` for none."""
        if not self.graded:
            return {"mean": None, "pass_share": None, "n": 0}
        return {
            "mean": round(self.total / self.graded, 3),
            "pass_share": round(self.passed / self.graded, 3),
            "n": self.graded,
        }


def report(rows: Iterable[SessionRow]) -> dict[str, Any]:
    """Return the counts of all that have ended; durations in seconds, shares and grades in [0, 1].

    `by_harness` has one entry for each harness, with its tiers (where it has none, its models) and `told`, these in the form
    [sonnet=0.61/86%(n=88)]: mean grade, share that passed, number of grades.
    """
    ended = [row for row in rows if row.outcome is not None and row.ended_at is not None]
    total: dict[str, int] = {}
    for row in ended:
        total[str(row.outcome)] = total.get(str(row.outcome), 0) + 1
    return {
        "sessions": len(ended),
        "outcomes": total,
        "used": _count(ended).used(),
        "by_harness": [_harness(name, of_it) for name, of_it in _grouped(ended, _harness_of)],
        "by_model": _counts(ended, "model", _model_of),
        "by_tier": _counts(ended, "tier", _tier_of),
        "by_repo": _counts(ended, "repo", _repo_of),
        "by_lane": _counts(ended, "lane", _lane_of),
        "by_schedule": _counts([row for row in ended if _schedule_of(row)], "schedule", _schedule_of),
    }


def bracket(parts: Iterable[dict[str, Any]]) -> str:
    """Return the grades of several in the form [sonnet=0.61/86%(n=88) budget=0.49/51%(n=52)]."""
    return f"[{' '.join(_told(part['label'], part['grade']) for part in parts)}]"


def _told(label: str, grade: dict[str, Any]) -> str:
    if not grade["n"]:
        return f"{label}=-(n=0)"
    return f"{label}={grade['mean']:.2f}/{grade['pass_share']:.0%}(n={grade['n']})"


def _harness(name: str, rows: list[SessionRow]) -> dict[str, Any]:
    tiers = [{"label": label, **counted} for label, counted in _labelled(rows, _label_of)]
    return {"harness": name, **_count(rows).as_json(), "tiers": tiers, "told": bracket(tiers)}


def _counts(rows: Iterable[SessionRow], name: str, of: Callable[[SessionRow], str]) -> list[dict[str, Any]]:
    return [{name: label, **counted} for label, counted in _labelled(rows, of)]


def _labelled(
    rows: Iterable[SessionRow], of: Callable[[SessionRow], str]
) -> Iterable[tuple[str, dict[str, Any]]]:
    return [(label, _count(group).as_json()) for label, group in _grouped(rows, of)]


def _grouped(
    rows: Iterable[SessionRow], of: Callable[[SessionRow], str]
) -> Iterable[tuple[str, list[SessionRow]]]:
    groups: dict[str, list[SessionRow]] = {}
    for row in rows:
        groups.setdefault(of(row), []).append(row)
    return sorted(groups.items())


def _count(rows: Iterable[SessionRow]) -> _Count:
    counted = _Count()
    for row in rows:
        counted.add(row)
    return counted


def _harness_of(row: SessionRow) -> str:
    return str(row.intent.get("harness") or "")


def _model_of(row: SessionRow) -> str:
    """Return the model that was asked for; where none was, the one that the harness said it used."""
    return str(row.intent.get("model") or _heard(row).get("model") or "")


def _heard(row: SessionRow) -> dict[str, Any]:
    """Return what the harness told of itself; empty where it told nothing."""
    return ((row.ending or {}).get("evidence") or {}).get("heard") or {}


def _tier_of(row: SessionRow) -> str:
    return str(row.intent.get("tier") or "")


def _lane_of(row: SessionRow) -> str:
    return str(row.intent.get("lane") or "")


def _repo_of(row: SessionRow) -> str:
    return str((row.intent.get("task") or {}).get("repo") or row.intent.get("repo") or "")


def _schedule_of(row: SessionRow) -> str:
    return str(row.intent.get("schedule") or "")


def _label_of(row: SessionRow) -> str:
    return _tier_of(row) or _model_of(row) or "default"
