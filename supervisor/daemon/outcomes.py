"""Outcomes counted from the journal: by harness, by model, by lane."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from supervisor.world.journal.entries import SessionRow


def by_harness(rows: Iterable[SessionRow]) -> dict[str, Any]:
    """Return counts of outcomes per harness with its models, and per lane; durations in seconds."""
    harnesses: dict[tuple[str, str], dict[str, Any]] = {}
    lanes: dict[str, dict[str, Any]] = {}
    total: dict[str, int] = {}
    for row in rows:
        if row.outcome is None or row.ended_at is None:
            continue
        intent = row.intent
        key = (str(intent.get("harness", "")), str(intent.get("model") or ""))
        took = row.ended_at - row.started_at
        _count(harnesses.setdefault(key, _empty()), row.outcome, took)
        _count(lanes.setdefault(str(intent.get("lane") or ""), _empty()), row.outcome, took)
        total[row.outcome] = total.get(row.outcome, 0) + 1
    return {
        "sessions": sum(total.values()),
        "outcomes": total,
        "by_harness": [
            {"harness": harness, "model": model, **_finish(counted)}
            for (harness, model), counted in sorted(harnesses.items())
        ],
        "by_lane": [{"lane": lane, **_finish(counted)} for lane, counted in sorted(lanes.items())],
    }


def _empty() -> dict[str, Any]:
    return {"n": 0, "finished": 0, "outcomes": {}, "seconds": 0.0}


def _count(counted: dict[str, Any], outcome: str, took: float) -> None:
    counted["n"] += 1
    counted["finished"] += outcome == "finished"
    counted["outcomes"][outcome] = counted["outcomes"].get(outcome, 0) + 1
    counted["seconds"] += took


def _finish(counted: dict[str, Any]) -> dict[str, Any]:
    n = counted["n"]
    return {
        "n": n,
        "finished_share": round(counted["finished"] / n, 3),
        "mean_seconds": round(counted["seconds"] / n, 1),
        "outcomes": counted["outcomes"],
    }
