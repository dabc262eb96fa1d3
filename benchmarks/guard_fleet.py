"""A supervisor with guarded sessions that wait for orders, and runners without a guard beside them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.world.config.discover import socket_beside
from supervisor.world.control.client import Client

_RUNNER = Path(__file__).parent / "guard_runner.py"
_LIMIT = 600.0  # seconds for one order
_YESTERDAY = time.time() - 86_400
GUARDED = ("one", "two", "three")
BARE = ("bare", "bare-two", "bare-three")


class Runner:
    """One runner; `pid` is its parent: of a guarded one, the worker."""

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(_LIMIT)
        self._line = line
        self._file = line.makefile("rw")
        hello = json.loads(self._file.readline())
        self.name, self.pid = str(hello["name"]), int(hello["pid"])

    def begin(self, deed: str, **words: Any) -> None:
        """Give an order."""
        self._file.write(json.dumps([deed, words]) + "\n")
        self._file.flush()

    def end(self) -> dict[str, Any]:
        """Wait for what came of it."""
        answer = self._file.readline()
        if not answer:
            raise RuntimeError(f"runner {self.name} is gone")
        found: dict[str, Any] = json.loads(answer)
        return found

    def do(self, deed: str, **words: Any) -> dict[str, Any]:
        """Give an order and wait."""
        self.begin(deed, **words)
        return self.end()

    def close(self) -> None:
        """Let it go; it ends."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._line.close()


@dataclass(frozen=True, slots=True)
class Fleet:
    """What runs: three guarded sessions in one checkout, three bare runners in another that is the same."""

    root: Path
    bare_root: Path
    runners: dict[str, Runner]
    control: Path

    def ask(self, method: str, **words: Any) -> Any:
        """Ask the supervisor."""
        with Client(self.control, timeout=_LIMIT) as client:
            return client.call(method, **words)


@contextlib.contextmanager
def fleet(folder: Path, files: int, *, guard: bool = True) -> Iterator[Fleet]:
    """Start it over two checkouts with so many files each; without a `guard`, sessions have git's hooks alone."""
    environ = _environ(folder)
    root, bare_root = folder / "guarded", folder / "bare"
    for place in (root, bare_root):
        _checkout(place, files, environ)
    ear = folder / "ear"
    _configure(folder, root, ear, guard=guard)
    with socket.socket(socket.AF_UNIX) as listener, (folder / "supervisor.log").open("wb") as log:
        listener.bind(str(ear))
        listener.listen()
        listener.settimeout(60.0)
        command = [sys.executable, "-m", "supervisor.cli.main", "run", "-c", str(folder / "config.toml")]
        supervisor = subprocess.Popen(command, cwd=root, env=environ, stdout=log, stderr=log)
        bare = [
            subprocess.Popen([sys.executable, _RUNNER, ear, name], cwd=bare_root, env=environ)
            for name in BARE
        ]
        runners: dict[str, Runner] = {}
        try:
            while len(runners) < len(GUARDED) + len(BARE):
                runner = Runner(listener.accept()[0])
                runners[runner.name] = runner
            yield Fleet(root, bare_root, runners, socket_beside(folder / "config.toml", environ))
        finally:
            for runner in runners.values():
                runner.close()
            for process in bare:
                process.terminate()
                process.wait()
            supervisor.send_signal(signal.SIGTERM)
            supervisor.wait()


def _environ(folder: Path) -> dict[str, str]:
    (folder / "home").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEASEHOLD", "GIT_"))}
    who = {f"GIT_{role}_{part}": "bench@localhost" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}  # fmt: skip
    return (
        kept
        | who
        | {
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
    )


def fleet_file(number: int) -> str:
    """Return the path of the checkouts' file with this number."""
    return f"src/d{number % 50}/f{number}.txt"


def _checkout(root: Path, files: int, environ: dict[str, str]) -> None:
    for number in range(files):
        path = root / fleet_file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * 40, encoding="utf-8")
        # An index of the same second as its files makes git read them all again at each status.
        os.utime(path, (_YESTERDAY, _YESTERDAY))
    (root / ".gitignore").write_text("node_modules/\n*.log\n", encoding="utf-8")
    for number in range(8):
        (root / f"counter{number}").write_text("0", encoding="utf-8")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *words], cwd=root, env=environ, check=True)


def _configure(folder: Path, root: Path, ear: Path, *, guard: bool) -> None:
    (folder / "tasks").mkdir()
    for name in GUARDED:
        (folder / f"tasks/{name}.md").write_text(f"---\nstate: backlog\n---\n# {name}\n", encoding="utf-8")
    words = json.dumps([sys.executable, str(_RUNNER), str(ear), "{task}"])
    (folder / "config.toml").write_text(
        f"[supervisor]\nmax_sessions = {len(GUARDED)}\non_stop = 'stop'\nstate_dir = {json.dumps(str(folder / 'state'))}\n"
        f"[leases]\nrequired_level = '{'kernel' if guard else 'hooks'}'\n"
        f"[guard]\nwait = '0s'\nmode = '{'auto' if guard else 'off'}'\n[repos.bench]\npath = {json.dumps(str(root))}\n"
        f"[sources.tasks]\nkind = 'markdown'\npath = {json.dumps(str(folder / 'tasks'))}\n"
        f"[harness.runner]\ncommand = {words}\nbudget = '1h'\ngrace = '1s'\n",
        encoding="utf-8",
    )
