"""Many sessions with hostile descendants, stopped at once: how long after the grace the last process is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.launch import worker_argv
from benchmarks.machine import Foreign
from benchmarks.native import Native

SESSIONS, DESCENDANTS, GRACE = 100, 20, 1.0
_PATIENCE = 60.0


def run(native: Native, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Stop a fleet on each rung that this machine has; seconds from the end of the grace, and what was left."""
    sessions = 20 if quick else SESSIONS
    ways: dict[str, Path | None] = {"sweep": None}
    if (base := cgroup_base()) is not None:
        ways["cgroup"] = base
    rows = {}
    for name, cgroups in ways.items():
        place = folder / f"stop-{name}"
        place.mkdir()
        rows[name] = stop_all(native, place, cgroups, sessions)
    return {"sessions": sessions, "descendants": DESCENDANTS, "ways": rows}


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    print(f"stop: {found['sessions']} sessions x {found['descendants']} hostile descendants, all at once")
    for name, row in found["ways"].items():
        print(
            f"  {name:<8} all gone {row['after_grace']:.2f} s after the grace; first {row['first']:.2f} s; "
            f"left over: {row['left']}; the sessions used {row['cpu']:.2f} s of CPU; others {row['foreign_cores']:.2f} cores"
        )


def stop_all(native: Native, folder: Path, cgroups: Path | None, sessions: int) -> dict[str, Any]:
    """Start so many sessions, stop them at once, and return how long that took and what was left."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(native, folder / f"s{number}", cgroups)) for number in range(sessions)
        ]
        for number in range(sessions):
            _wait_ready(folder / f"s{number}" / "out.log")
        clients = [stack.enter_context(_client(folder / f"s{number}")) for number in range(sessions)]
        foreign = Foreign.watch(*(worker.pid for worker in workers))
        began = time.monotonic()
        for client in clients:
            client.sendall(json.dumps({"id": 1, "op": "stop", "grace": GRACE}).encode() + b"\n")
        taken = []
        for client in clients:
            with client.makefile("rb") as lines:
                answer = next(found for line in lines if (found := json.loads(line)).get("id") == 1)
            assert answer["ok"] is True, answer
            taken.append(time.monotonic() - began - GRACE)
        left = _hostile(native)
        return {
            "after_grace": max(taken),
            "first": min(taken),
            "left": left,
            "cpu": sum(_spent(folder / f"s{number}") for number in range(sessions)),
            "foreign_cores": foreign.cores(),
        }


def _spent(folder: Path) -> float:
    """Return the processor time of a worker's whole session, as its record has it."""
    usage = json.loads((folder / "exit.json").read_text())["usage"]
    return float(usage["user"] + usage["sys"])


@contextmanager
def _worker(native: Native, folder: Path, cgroups: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    argv = worker_argv(folder, [native.hostile, str(DESCENDANTS)])
    cgroup = cgroups / f"leasehold-bench-{os.getpid()}-{folder.name}" if cgroups else None
    if cgroup is not None:
        cgroup.mkdir()
        spec = json.loads((folder / "spec.json").read_text()) | {"cgroup": str(cgroup)}
        (folder / "spec.json").write_text(json.dumps(spec))
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_PATIENCE)
            if cgroup is not None:
                cgroup.rmdir()


@contextmanager
def _client(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_PATIENCE)
        client.connect(str(folder / "worker.sock"))
        yield client


def _wait_ready(log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not (log.exists() and log.read_bytes() == b"ready\n"):
        if time.monotonic() > until:
            raise RuntimeError(f"{log}: the hostile harness did not get ready")
        time.sleep(0.01)


def _hostile(native: Native) -> int:
    """Return how many processes still run the hostile program, of whatever session, found by a scan."""
    found = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # gone, or a thread of the kernel
                found += (entry / "exe").readlink() == Path(native.hostile).resolve()
    return found


def cgroup_base() -> Path | None:
    """Return the cgroup (version 2) of this process if another can be made in it."""
    inside = Path("/proc/self/cgroup").read_text().partition("0::")[2].partition("\n")[0].lstrip("/")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            base = Path(fields[1]) / inside
            try:
                (base / f"leasehold-bench-{os.getpid()}").mkdir()
                (base / f"leasehold-bench-{os.getpid()}").rmdir()
            except OSError:
                return None
            return base
    return None
