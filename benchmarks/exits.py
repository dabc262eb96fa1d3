"""From a harness's last instruction to the supervisor's event, one session after another on a quiet machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import Foreign
from benchmarks.native import Native

_TASK = "---\nstate: backlog\nexpects: nothing\n---\n# Task {number}\n"
_CONFIG = """
[supervisor]
max_sessions = 1
log_level = "error"
[repos.bench]
path = "."
[sources.tasks]
kind = "markdown"
path = "tasks"
[harness.stamp]
command = ["/bin/sh", "-c", "sleep 0.1; exec {floor} --stamp"]
"""


def run(native: Native, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Run sessions that note the time as the last thing they do; milliseconds from there to each event."""
    sessions = 20 if quick else 200
    place = folder / "exit"
    environ = _site(place, native, sessions)
    foreign = Foreign.watch()
    _leasehold(place, environ, "run", "--until-idle")
    cores = foreign.cores()
    offset = time.time() - time.monotonic()
    stamps = {
        path.parent.name: int(path.read_text()) / 1e9 + offset
        for path in (place / ".leasehold/state/sessions").glob("*/out.log")
    }
    rows = {}
    for kind in ("session.exited", "session.settling", "session.ended"):
        told = json.loads(_leasehold(place, environ, "events", "--kind", kind, "--limit", "100000", "--json"))
        late = sorted((event["at"] - stamps[event["session"]]) * 1e3 for event in told["events"])
        rows[kind] = {
            "median_ms": statistics.median(late),
            "p99_ms": late[min(len(late) - 1, int(len(late) * 0.99))],
            "max_ms": late[-1],
        }
    return {"sessions": len(stamps), "events": rows, "foreign_cores": cores}


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    print(f"exit: {found['sessions']} sessions, others used {found['foreign_cores']:.2f} cores")
    for kind, row in found["events"].items():
        print(
            f"  {kind:<17} {row['median_ms']:6.2f} ms after the exit; p99 {row['p99_ms']:.2f}; most {row['max_ms']:.2f}"
        )


def _site(place: Path, native: Native, sessions: int) -> dict[str, str]:
    (place / "tasks").mkdir(parents=True)
    (place / ".leasehold").mkdir()
    for number in range(sessions):
        (place / "tasks" / f"t{number}.md").write_text(_TASK.format(number=number))
    (place / ".leasehold/config.toml").write_text(_CONFIG.format(floor=native.floor))
    (place / ".leasehold/.gitignore").write_text("*\n")
    root = str(Path(__file__).parent.parent)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "XDG_RUNTIME_DIR": str(place),
        "PYTHONPATH": root,
    }
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.invalid")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-qm", "Begin"),
    ):
        subprocess.run(["git", *who, *words], cwd=place, env=environ, check=True)
    return environ


def _leasehold(place: Path, environ: dict[str, str], *words: str) -> str:
    argv = [sys.executable, "-m", "supervisor.cli.main", *words]
    return subprocess.run(argv, cwd=place, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout
