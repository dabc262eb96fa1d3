"""What one session's start costs the supervisor itself, on each rung that needs no service manager."""

from __future__ import annotations

import asyncio
import os
import select
import statistics
import time
from pathlib import Path
from typing import Any

from supervisor.core.sessions.budget import Budget
from supervisor.world.cgroups.hierarchy import CgroupError
from supervisor.world.cgroups.probe import find_base
from supervisor.world.launch.grouped import CgroupLauncher
from supervisor.world.launch.launcher import Launcher
from supervisor.world.launch.local import LocalLauncher, reap
from supervisor.world.launch.spec import SessionSpec

_SPARED = 60.0  # seconds that a worker has to end; `true` takes some 20 ms


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Start and end sessions one after the other; CPU of this process and wall clock, in milliseconds."""
    launchers: dict[str, Launcher] = {"sweep": LocalLauncher(folder / "sessions")}
    left_out = ""
    try:
        launchers["cgroup"] = CgroupLauncher(find_base(f"bench-{os.getpid()}"))
    except CgroupError as error:
        left_out = f"cgroup: {error}"
    count = 30 if quick else 200
    rows = {
        name: asyncio.run(_measure(name, launcher, folder, count)) for name, launcher in launchers.items()
    }
    return {"rungs": rows, "left_out": left_out}


async def _measure(name: str, launcher: Launcher, folder: Path, count: int) -> dict[str, float]:
    start_cpu, start_wall, tidy_cpu = [], [], []
    for number in range(count):
        session = f"{name}-{number}"
        place = folder / "sessions" / session
        spec = _spec(session, folder / f"{session}.sock")
        began, cpu = time.monotonic(), time.process_time()
        started = await launcher.start(spec, place)
        start_cpu.append((time.process_time() - cpu) * 1000)
        start_wall.append((time.monotonic() - began) * 1000)
        assert select.select([started.pidfd], [], [], _SPARED)[0]
        reap(started.pidfd)
        cpu = time.process_time()
        await launcher.tidy(session, place)
        tidy_cpu.append((time.process_time() - cpu) * 1000)
    return {
        "start_cpu_ms": statistics.median(start_cpu),
        "start_cpu_worst_ms": max(start_cpu),
        "start_wall_ms": statistics.median(start_wall),
        "tidy_cpu_ms": statistics.median(tidy_cpu),
    }


def _spec(session: str, socket: Path) -> SessionSpec:
    return SessionSpec(
        session=session,
        task="bench",
        command=["true"],
        prompt="",
        env={"PATH": os.environ["PATH"]},
        cwd=Path("/"),
        budget=Budget(wall=_SPARED, warn=0.0, grace=1.0),
        log_limit=1 << 20,
        socket=socket,
    )
