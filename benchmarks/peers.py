"""Servers that hand out leases, each started for the benchmark on a unix socket of its own."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import SERVER_CORE
from benchmarks.native import Native

_ROOT = Path(__file__).parent.parent
_READY = 20.0  # seconds that a server may take to start
_NOBODY = 65534  # postgres refuses to run as root


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: how the load speaks to it, and what it is able to do."""

    name: str
    protocol: str
    socket: str
    pid: int
    modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """A peer that cannot be measured here, and why."""

    name: str
    why: str


@contextlib.contextmanager
def _running(argv: list[str], said: str, *, user: int | None = None, stderr: bool = False) -> Iterator[int]:
    """Run a server on the server's core; go on once a line of its output contains `said`."""
    channel = "stderr" if stderr else "stdout"
    with subprocess.Popen(argv, cwd=_ROOT, user=user, group=user, **{channel: subprocess.PIPE}) as process:  # type: ignore[call-overload]
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            _wait_for(getattr(process, channel).fileno(), said, argv[0])
            yield process.pid
        finally:
            process.terminate()


def _wait_for(output: int, said: str, program: str) -> None:
    heard = b""
    ends = time.monotonic() + _READY
    while said.encode() not in heard:
        ready, _, _ = select.select([output], [], [], max(0.0, ends - time.monotonic()))
        more = os.read(output, 4096) if ready else b""
        if not more:
            raise RuntimeError(
                f"{program} was not ready within {_READY:g} s; it said: {heard.decode(errors='replace')}"
            )
        heard += more


@contextlib.contextmanager
def floor(native: Native, folder: Path) -> Iterator[Server]:
    """Run the echo server."""
    path = str(folder / "floor.sock")
    with _running([native.floor, path], "ready") as pid:
        yield Server("floor", "echo", path, pid, ("own",))


@contextlib.contextmanager
def leasehold(folder: Path) -> Iterator[Server]:
    """Run the control server with the broker."""
    path = str(folder / "leasehold.sock")
    with _running([sys.executable, "-m", "benchmarks.lease_server", path], "ready") as pid:
        yield Server("leasehold", "json", path, pid, ("own", "poll", "queue"))


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Server | Absent]:
    """Run Redis without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        yield Absent("redis", "redis-server is not installed")
        return
    path = str(folder / "redis.sock")
    argv = [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
    with _running(argv, "eady to accept connections") as pid:
        yield Server("redis", "redis", path, pid, ("own", "poll", "queue"))


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Server | Absent]:
    """Run PostgreSQL; its leases are advisory locks."""
    initdb, program = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or program is None:
        yield Absent("postgres", "initdb and postgres are not on PATH")
        return
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    user = None
    if os.geteuid() == 0:
        user = _NOBODY
        os.chown(data, user, user)
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)
    make = [initdb, "-D", str(data / "db"), "-U", "postgres", "-A", "trust", "--no-sync"]
    made = subprocess.run(make, capture_output=True, text=True, check=False, user=user, group=user, cwd="/")
    if made.returncode:
        yield Absent("postgres", f"initdb failed: {made.stderr.strip().splitlines()[-1]}")
        return
    settings = {"listen_addresses": "", "unix_socket_directories": str(data), "max_connections": "300"}
    argv = [program, "-D", str(data / "db"), *(f"--{key}={value}" for key, value in settings.items())]
    with _running(argv, "ready to accept connections", user=user, stderr=True) as pid:
        yield Server("postgres", "postgres", str(data / ".s.PGSQL.5432"), pid, ("own", "poll", "queue"))
