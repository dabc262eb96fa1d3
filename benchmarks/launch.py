"""From "start it" to the first instruction of the harness: through a worker, beside a bare posix_spawn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import Foreign
from benchmarks.native import Native

_WORKERS = Path(__file__).parent.parent / "workers"


def worker_argv(folder: Path, argv: list[str]) -> list[str]:
    """Write a session's folder whose harness is `argv`, and return the command of its worker."""
    folder.mkdir()
    spec = {
        "schema": 1,
        "session": "bench",
        "task": "bench",
        "argv": argv,
        "env": {"PATH": os.environ["PATH"]},
        "cwd": str(folder),
        "stdin": None,
        "socket": str(folder / "worker.sock"),
        "budget": {
            "wall": 600.0,
            "warn": 60.0,
            "grace": 1.0,
            "startup": None,
            "resident": None,
            "stall": None,
        },
        "log_limit": 1 << 20,
        "soft_signal": "TERM",
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return [sys.executable, "-I", "-S", str(_WORKERS), "session", str(folder)]


def run(native: Native, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Interleave the ways to start a program; milliseconds until its first instruction, median and spread."""
    stamp = [native.floor, "--stamp"]

    def spawned(number: int) -> float:
        return _bare(folder / f"spawn-{number}", stamp)

    def interpreted(number: int) -> float:
        code = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
        return _bare(folder / f"python-{number}", [sys.executable, "-I", "-S", "-c", code, *stamp])

    def worked(number: int) -> float:
        place = folder / f"session-{number}"
        argv = worker_argv(place, stamp)
        began = time.monotonic_ns()
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, start_new_session=True)
        return _since(began, place / "out.log")

    ways: dict[str, Callable[[int], float]] = {
        "posix_spawn": spawned,
        "python -I -S, then exec": interpreted,
        "worker": worked,
    }
    foreign = Foreign.watch()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(8 if quick else 40):
        for name, way in ways.items():
            taken[name].append(way(number))
    floor = taken["posix_spawn"]
    rows = {
        name: {
            "median_ms": statistics.median(times),
            "min_ms": min(times),
            "max_ms": max(times),
            "times_floor": statistics.median(time / low for time, low in zip(times, floor, strict=True)),
        }
        for name, times in taken.items()
    }
    return {"ways": rows, "foreign_cores": foreign.cores()}


def _bare(output: Path, argv: list[str]) -> float:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = time.monotonic_ns()
    pid = os.posix_spawn(argv[0], argv, dict(os.environ), file_actions=[(os.POSIX_SPAWN_DUP2, file, 1)])
    os.waitpid(pid, 0)
    os.close(file)
    return _since(began, output)


def _since(began: int, output: Path) -> float:
    return (int(output.read_text()) - began) / 1e6
