"""What a session's `git commit` pays for the gate and the trailers, under the guard and with git's hooks alone."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.guard_fleet import Fleet, fleet
from benchmarks.machine import Foreign

_LEVELS = {"kernel": True, "hooks": False}
_PYTHON = [sys.executable, "-I", "-S", "-c", "pass"]
_GOAL_MS = 15.0
_GOAL_PYTHONS = 1.5  # what is added, in starts of a bare Python


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Commit in a session and without one, in turns; milliseconds of wall clock for each commit."""
    foreign = Foreign.watch()
    found: dict[str, Any] = {"rounds": 20 if quick else 100, "levels": {}}
    for level, guard in _LEVELS.items():
        with fleet(folder / f"gate-{level}", 50, guard=guard) as running:
            found["levels"][level] = _commits(running, found["rounds"])
    return found | {"foreign_cores": foreign.cores()}


def show(found: dict[str, Any]) -> None:
    """Print the figures, each with its goal."""
    print(f"gate: {found['rounds']} commits each way, others used {found['foreign_cores']:.2f} cores")
    for level, row in found["levels"].items():
        added = row["added_ms"]
        print(
            f"  level {level:<7} git commit {row['bare_ms']:5.1f} ms, in a session {row['session_ms']:5.1f} ms;"
            f" added {added['median']:5.1f} ms ({added['least']:.1f}-{added['most']:.1f}; goal <= {_GOAL_MS:.0f})"
            f" = {row['pythons']:.2f} x python -I -S -c pass at {row['python_ms']:.1f} ms (goal <= {_GOAL_PYTHONS})"
        )


def _commits(found: Fleet, rounds: int) -> dict[str, Any]:
    session, bare = found.runners["one"], found.runners["bare"]
    taken: dict[str, list[float]] = {"bare": [], "session": [], "python": []}
    for number in range(rounds + 2):
        row = {}
        pair = (("bare", bare, found.bare_root), ("session", session, found.root))
        for name, runner, root in pair if number % 2 else pair[::-1]:
            runner.do("write", path="counter0", text=f"{name} {number}\n")
            done = runner.do("run", argv=["git", "commit", "-qm", f"Round {number}", "--", "counter0"])
            if done["code"]:
                raise RuntimeError(f"git commit in {root} failed: {done['said']}")
            row[name] = done["seconds"] * 1e3
        row["python"] = bare.do("run", argv=_PYTHON)["seconds"] * 1e3
        for name, value in row.items() if number >= 2 else ():  # the first ones warm up
            taken[name].append(value)
    added = [after - before for before, after in zip(taken["bare"], taken["session"], strict=True)]
    median = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "bare_ms": median["bare"],
        "session_ms": median["session"],
        "python_ms": median["python"],
        "added_ms": {"median": statistics.median(added), "least": min(added), "most": max(added)},
        "pythons": statistics.median(added) / median["python"],
    }
