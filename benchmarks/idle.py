"""What waiting costs: CPU, wake-ups and memory of a lease server with clients, and of a worker."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.launch import worker_argv
from benchmarks.machine import cpu_seconds

CLIENTS = 64


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Watch each idle process for some seconds."""
    seconds = 2.0 if quick else 10.0
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(peers.leasehold(folder))
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(server.socket)
        worker = stack.enter_context(_worker(folder / "idle"))
        watched = {f"lease server, {CLIENTS} clients": server.pid, "worker, harness asleep": worker}
        before = {name: (_switches(pid), cpu_seconds(pid)) for name, pid in watched.items()}
        time.sleep(seconds)  # the measurement itself: nothing may happen meanwhile
        rows = {}
        for name, pid in watched.items():
            switches, cpu = before[name]
            rows[name] = {
                "wakeups": _switches(pid) - switches,
                "cpu_ms": (cpu_seconds(pid) - cpu) * 1e3,
                **_memory(pid),
            }
    return {"seconds": seconds, "processes": rows}


@contextlib.contextmanager
def _worker(folder: Path) -> Iterator[int]:
    argv = worker_argv(folder, ["sleep", "600"])
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            _greeted(folder / "worker.sock")
            yield process.pid
        finally:
            process.terminate()


def _greeted(path: Path) -> None:
    """Return once the worker says that its harness runs."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with (
            contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
            socket.socket(socket.AF_UNIX) as sock,
        ):
            sock.settimeout(10)
            sock.connect(str(path))
            with sock.makefile("r") as lines:
                for line in lines:
                    if '"running"' in line or '"started"' in line:
                        return
        time.sleep(0.01)
    raise RuntimeError(f"{path}: the worker did not report")


def _switches(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(
        int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt_switches")
    )


def _memory(pid: int) -> dict[str, int]:
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0])
    return {"rss_kib": fields["Rss"], "private_kib": fields["Private_Clean"] + fields["Private_Dirty"]}
