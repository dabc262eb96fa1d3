"""Run the benchmarks: `python -m benchmarks [--quick] [--only NAME] [--save NAME] [--plot]`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    adopt,
    broker,
    exits,
    gate,
    guard,
    idle,
    launch,
    listen,
    pairs,
    selection,
    sqlite_pairs,
    start,
    stop,
)
from benchmarks.machine import versions
from benchmarks.native import Native, compile_native
from benchmarks.plot import plot
from benchmarks.report import show

HERE = Path(__file__).parent
NAMES = (
    "pairs",
    "sqlite",
    "launch",
    "start",
    "stop",
    "exit",
    "idle",
    "adopt",
    "gate",
    "broker",
    "selection",
    "guard",
    "listen",
)


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cells and rounds: under a minute")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    parser.add_argument("--save", default="latest", metavar="NAME", help="write benchmarks/results/NAME.json")
    parser.add_argument("--plot", action="store_true", help="draw docs/assets/bench-lease-pairs.svg")
    asked = parser.parse_args()
    began = time.monotonic()
    results: dict[str, Any] = {"schema": 1, "quick": asked.quick, "versions": versions()}
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as folder:
        for name, measure in _measures(Path(folder), quick=asked.quick).items():
            if not asked.only or name in asked.only:
                results[name] = measure()
    results["seconds"] = round(time.monotonic() - began, 1)
    show(results)
    if "exit" in results:
        exits.show(results["exit"])
    if "stop" in results:
        stop.show(results["stop"])
    if "adopt" in results:
        adopt.show(results["adopt"])
    if "gate" in results:
        gate.show(results["gate"])
    if "broker" in results:
        broker.show(results["broker"])
    if "guard" in results:
        guard.show(results["guard"])
    if "listen" in results:
        listen.show(results["listen"])
    for name, value in results.get("selection", {}).items():
        print(f"selection: {name}: {value}")
    path = HERE / "results" / f"{asked.save}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{results['seconds']} s; figures in {path}")
    if asked.plot:
        print(f"drawn: {plot(results, HERE.parent / 'docs' / 'assets' / 'bench-lease-pairs.svg')}")


def _measures(folder: Path, *, quick: bool) -> dict[str, Callable[[], Any]]:
    native = compile_native(folder)
    if native is None:
        print(
            "not measured: pairs, launch, stop, exit: there is no C compiler (cc) for the load and the floor"
        )
    measures: dict[str, Callable[[], Any]] = _native(native, folder, quick=quick) if native else {}
    measures["sqlite"] = lambda: sqlite_pairs.run(folder, quick=quick)
    measures["start"] = lambda: start.run(folder, quick=quick)
    measures["idle"] = lambda: idle.run(folder, quick=quick)
    measures["gate"] = lambda: gate.run(folder, quick=quick)
    measures["adopt"] = lambda: adopt.run(folder, quick=quick)
    measures["broker"] = lambda: broker.run(broker.SIZES[:2] if quick else broker.SIZES)
    measures["guard"] = lambda: guard.run(folder, quick=quick)
    measures["listen"] = lambda: listen.run(folder, quick=quick)
    measures["selection"] = selection.run
    return measures


def _native(native: Native, folder: Path, *, quick: bool) -> dict[str, Callable[[], Any]]:
    plan = pairs.PLANS["quick" if quick else "full"]
    return {
        "pairs": lambda: pairs.run(native, folder, plan),
        "launch": lambda: launch.run(native, folder, quick=quick),
        "exit": lambda: exits.run(native, folder, quick=quick),
        "stop": lambda: stop.run(native, folder, quick=quick),
    }


if __name__ == "__main__":
    main()
