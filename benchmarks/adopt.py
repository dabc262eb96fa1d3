"""Back in control: a supervisor is killed over living sessions and started again; how long until it has them all."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import Foreign
from supervisor.world.config.discover import socket_beside
from supervisor.world.control.client import Client, Refused, Unreachable

_LIMIT = 120.0  # seconds; far above what any step takes
_PAUSE = 0.002  # seconds between two attempts to reach a supervisor that is starting


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Kill and start again; milliseconds of wall clock from the start of the process, median and worst."""
    sessions, rounds = (10, 3) if quick else (50, 7)
    root = folder / "adopt"
    environ = site(root, sessions)
    socket = socket_beside(root / "config.toml", environ)
    foreign = Foreign.watch()
    supervisor = start(root, environ)
    try:
        before = settled(socket, sessions)
        rows = []
        for _ in range(rounds):
            supervisor.kill()
            supervisor.wait()
            began = time.monotonic()
            supervisor = start(root, environ)
            rows.append(_timed(socket, sessions, began) | {"CPU used until then": _cpu_ms(supervisor.pid)})
            after = settled(socket, sessions)
            if after != before:
                raise RuntimeError(f"sessions changed over a restart: {before.items() ^ after.items()}")
        with Client(socket, timeout=_LIMIT) as client:
            for session in before:
                client.call("session.kill", session=session)
    finally:
        supervisor.terminate()
        supervisor.wait()
    steps = {
        name: {"median_ms": statistics.median(row[name] for row in rows), "worst_ms": max(row[name] for row in rows)}
        for name in rows[0]
    }  # fmt: skip
    imported = statistics.median(_imported(environ) for _ in range(rounds))
    return {"sessions": sessions, "steps": steps, "imports_ms": imported, "foreign_cores": foreign.cores()}


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    print(f"adopt: back in control of {found['sessions']} sessions after kill -9 (other load: {found['foreign_cores']:.2f} cores)")  # fmt: skip
    for name, row in found["steps"].items():
        print(f"  {name:<44} median {row['median_ms']:7.0f} ms   worst {row['worst_ms']:7.0f} ms")
    print(f"  {'of that, Python and imports':<44} median {found['imports_ms']:7.0f} ms")


def site(root: Path, sessions: int) -> dict[str, str]:
    """Make a repository with a task for each session, and return the environment of its supervisor."""
    root.mkdir()
    (root / "home").mkdir()
    environ = os.environ | {
        "HOME": str(root / "home"),
        "XDG_RUNTIME_DIR": str(root),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run([*git, *words], cwd=root, env=environ, check=True)
    (root / "tasks").mkdir()
    for number in range(sessions):
        text = f"---\nstate: backlog\npaths: [src/{number}.txt]\n---\n# Task {number}\n"
        (root / "tasks" / f"t{number}.md").write_text(text)
    (root / ".gitignore").write_text("*\n")
    (root / "config.toml").write_text(
        f"[supervisor]\nmax_sessions = {sessions}\nstate_dir = {json.dumps(str(root / 'state'))}\n"
        '[repos.site]\npath = "."\n[sources.tasks]\nkind = "markdown"\npath = "tasks"\n'
        '[harness.sleep]\ncommand = ["sleep", "3600"]\nbudget = "1h"\n'
    )
    return environ


def start(root: Path, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the supervisor."""
    with (root / "supervisor.log").open("ab") as log:
        command = [sys.executable, "-m", "supervisor.cli.main", "run", "-c", "config.toml"]
        return subprocess.Popen(command, cwd=root, env=environ, stdout=log, stderr=log)


def _timed(socket: Path, sessions: int, began: float) -> dict[str, float]:
    """Return when it answered, listed all sessions, and granted a lease."""
    with _reach(socket, began) as client:
        answered = time.monotonic()
        _until(began, lambda: len(_listed(client)) == sessions)
        listed = time.monotonic()
        _until(began, lambda: _granted(client))
        granted = time.monotonic()
        client.call("lease.release", paths=["resource:bench"])
    marks = {"it answers": answered, "`ps` lists all of them": listed, "a lease is granted": granted}
    return {name: (at - began) * 1000 for name, at in marks.items()}


def _cpu_ms(pid: int) -> float:
    """Return the processor time of the supervisor and of the programs that it ran: other load does not count."""
    return sum(psutil.Process(pid).cpu_times()[:4]) * 1000


def _reach(socket: Path, began: float) -> Client:
    while True:
        client = Client(socket, timeout=_LIMIT)
        try:
            client.call("session.list")
        except Unreachable:
            client.close()
            if time.monotonic() > began + _LIMIT:
                raise
            time.sleep(_PAUSE)
        else:
            return client


def settled(socket: Path, sessions: int) -> dict[str, int]:
    """Return the process of each session once all run."""
    began = time.monotonic()
    with _reach(socket, began) as client:
        _until(began, lambda: sum(bool(session["pid"]) for session in _listed(client)) == sessions)
        return {session["id"]: session["pid"] for session in _listed(client)}


def _listed(client: Client) -> list[dict[str, Any]]:
    return list(client.call("session.list")["sessions"])


def _granted(client: Client) -> bool:
    try:
        client.call("lease.acquire", paths=["resource:bench"])
    except Refused:
        return False
    return True


def _until(began: float, happened: Any) -> None:
    while not happened():
        if time.monotonic() > began + _LIMIT:
            raise TimeoutError("the supervisor did not come back")
        time.sleep(_PAUSE)


def _imported(environ: dict[str, str]) -> float:
    began = time.monotonic()
    command = [sys.executable, "-c", "import supervisor.cli.run, supervisor.daemon.run"]
    subprocess.run(command, env=environ, check=True)
    return (time.monotonic() - began) * 1000
