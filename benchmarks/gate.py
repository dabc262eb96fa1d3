"""What a session's `git commit` pays for the gate and the trailers, beside a bare one in the same repository."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import Foreign
from supervisor.daemon.verbs.leases import GateCheck
from supervisor.world.control.access import Access
from supervisor.world.control.caller import Caller
from supervisor.world.control.methods import Method, Who
from supervisor.world.control.server import serving
from supervisor.world.git.hooks import environment, install_hooks
from supervisor.world.git.repository import open_repository


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Commit with and without the gate in turns; milliseconds of wall clock and of CPU for each commit."""
    rounds = 15 if quick else 100
    place = folder / "gate"
    bare, gated = _site(place)
    foreign = Foreign.watch()
    wall: dict[str, list[float]] = {"bare": [], "gated": [], "python": []}
    cpu: dict[str, list[float]] = {"bare": [], "gated": [], "python": []}
    with _Answering(place / "ctl.sock"):
        for number in range(rounds + 2):
            for name, env in (("bare", bare), ("gated", gated)):
                (place / "repo/file").write_text(f"{number} {name}\n")
                took = _timed(["git", "commit", "-qm", f"Round {number}", "--", "file"], place / "repo", env)
                if number >= 2:
                    wall[name].append(took[0])
                    cpu[name].append(took[1])
            took = _timed([sys.executable, "-I", "-S", "-c", "pass"], place, bare)
            if number >= 2:
                wall["python"].append(took[0])
                cpu["python"].append(took[1])
    added = [b - a for a, b in zip(wall["bare"], wall["gated"], strict=True)]
    return {
        "rounds": rounds,
        "wall_ms": {name: statistics.median(values) for name, values in wall.items()},
        "cpu_ms": {name: statistics.median(values) for name, values in cpu.items()},
        "added_ms": {"median": statistics.median(added), "least": min(added), "most": max(added)},
        "foreign_cores": foreign.cores(),
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    added, wall, cpu = found["added_ms"], found["wall_ms"], found["cpu_ms"]
    print(f"gate: {found['rounds']} commits each way, others used {found['foreign_cores']:.2f} cores")
    print(f"  added to git commit: {added['median']:.1f} ms ({added['least']:.1f}-{added['most']:.1f})")
    for name in ("bare", "gated", "python"):
        told = {"bare": "git commit", "gated": "in a session", "python": "python -I -S -c pass"}[name]
        print(f"  {told:<22} {wall[name]:6.1f} ms, CPU {cpu[name]:.1f} ms")


def _timed(argv: list[str], cwd: Path, env: dict[str, str]) -> tuple[float, float]:
    before, began = os.times(), time.perf_counter()
    subprocess.run(argv, cwd=cwd, env=env, check=True, stdin=subprocess.DEVNULL)
    took, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took * 1e3, used * 1e3


def _site(place: Path) -> tuple[dict[str, str], dict[str, str]]:
    repo = place / "repo"
    repo.mkdir(parents=True)
    bare = {"PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        bare |= {f"GIT_{role}_NAME": "Bench", f"GIT_{role}_EMAIL": "bench@example.invalid"}
    (repo / "file").write_text("begin\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Begin")):
        subprocess.run(["git", *words], cwd=repo, env=bare, check=True)
    install_hooks(place / "hooks")
    gated = bare | {
        "LEASEHOLD_SESSION": "bench",
        "LEASEHOLD_TASK": "bench",
        "LEASEHOLD_TOKEN": "bench",
        "LEASEHOLD_SOCKET": str(place / "ctl.sock"),
    }
    gated |= environment(asyncio.run(open_repository(repo)), place / "hooks", gated)
    return bare, gated


class _Answering:
    """A supervisor's socket that lets everything pass, on a thread of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._over: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> None:
        self._thread.start()
        self._up.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        over = asyncio.Event()
        self._over = over.set
        allow = Method("gate.check", GateCheck, _allow, Who.ANYONE)
        async with serving(self._socket, [allow], access=Access(resolve=lambda _token: "bench")):
            self._up.set()
            await over.wait()


def _allow(_caller: Caller, _params: GateCheck) -> object:
    return {"ok": True, "discovered": []}
