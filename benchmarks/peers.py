"""Servers that hand out leases, each started for the benchmark on a unix socket of its own."""

from __future__ import annotations

import contextlib
import os
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
def _running(argv: list[str], said: str, log: Path, *, user: int | None = None) -> Iterator[int]:
    """Run a server on the server's core; go on once its output, kept in `log`, contains `said`."""
    with (
        log.open("wb") as output,
        subprocess.Popen(argv, cwd=_ROOT, user=user, group=user, stdout=output, stderr=output) as process,
    ):
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            ends = time.monotonic() + _READY
            while said not in log.read_text():
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"{argv[0]} did not become ready; it said: {log.read_text()}")
                time.sleep(0.01)
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def floor(native: Native, folder: Path) -> Iterator[Server]:
    """Run the echo server."""
    path = str(folder / "floor.sock")
    with _running([native.floor, path], "ready", folder / "floor.log") as pid:
        yield Server("floor", "echo", path, pid, ("own",))


@contextlib.contextmanager
def leasehold(folder: Path) -> Iterator[Server]:
    """Run the control server with the broker."""
    path = str(folder / "leasehold.sock")
    with _running(
        [sys.executable, "-m", "benchmarks.lease_server", path], "ready", folder / "leasehold.log"
    ) as pid:
        yield Server("leasehold", "json", path, pid, ("own", "poll", "queue"))


@contextlib.contextmanager
def daemon(folder: Path) -> Iterator[Server]:
    """Run the whole supervisor: paths resolved in a repository, every grant in the journal and the log.

    The load speaks as an operator, for whom all connections are one holder.
    """
    place = folder / "daemon"
    place.mkdir(mode=0o700)
    subprocess.run(["git", "init", "-q", place / "repo"], check=True)
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    commit = ["git", "-C", str(place / "repo"), *author, "commit", "-q", "--allow-empty", "-m", "Begin"]
    subprocess.run(commit, check=True)
    config = place / "config.toml"
    config.write_text(
        f'[supervisor]\nstate_dir = "{place}/state"\nruntime_dir = "{place}/run"\n'
        f'[repos.bench]\npath = "{place}/repo"\n[harness.none]\ncommand = ["true"]\n'
    )
    argv = [sys.executable, "-m", "supervisor.cli.main", "run", "-c", str(config)]
    with _running(argv, "supervisor.started", place / "log") as pid:
        yield Server("daemon", "operator", str(place / "run" / "ctl.sock"), pid, ("own",))


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Server | Absent]:
    """Run Redis without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        yield Absent("redis", "redis-server is not installed")
        return
    path = str(folder / "redis.sock")
    argv = [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
    with _running(argv, "eady to accept connections", folder / "redis.log") as pid:
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
    with _running(argv, "ready to accept connections", folder / "postgres.log", user=user) as pid:
        yield Server("postgres", "postgres", str(data / ".s.PGSQL.5432"), pid, ("own", "poll", "queue"))
