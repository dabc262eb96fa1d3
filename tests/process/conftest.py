"""A real supervisor on a real repository, for tests that need the whole path."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LIMIT = 60.0  # seconds; far above what any of these takes


@dataclass
class Site:
    """A git repository with a configuration, and the supervisor that runs on it."""

    root: Path
    environ: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def git(self, *args: str) -> str:
        """Run git in the repository and return what it prints."""
        done = subprocess.run(
            ["git", *args], cwd=self.root, env=self.environ, text=True, capture_output=True, timeout=LIMIT
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        """Write a file below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def task(self, key: str, *paths: str, **front: object) -> None:
        """Write a task file."""
        lines = [f"{name}: {json.dumps(value)}" for name, value in front.items()]
        listed = f"paths: {json.dumps(list(paths))}" if paths else ""
        body = "\n".join(["---", "state: backlog", listed, *lines, "---", f"# Do {key}", ""])
        self.write(f"tasks/{key}.md", body)

    def configure(self, agent: str, /, **sections: dict[str, object]) -> None:
        """Write a configuration whose one harness runs the Python program `agent`."""
        program = self.write(".leasehold/agent.py", agent)
        text = [
            "[repos.site]",
            'path = "."',
            *_lines(sections.pop("repo", {})),
            "[sources.tasks]",
            'kind = "markdown"',
            'path = "tasks"',
            "[sources.queue]",
            'kind = "queue"',
            "[harness.agent]",
            f"command = {json.dumps([sys.executable, str(program)])}",
            *_lines({"budget": "5m", "warn": "5s", "grace": "1s"} | sections.pop("harness", {})),
        ]
        for name, keys in sections.items():
            text += [f"[{name}]", *_lines(keys)]
        self.write(".leasehold/config.toml", "\n".join(text) + "\n")
        self.write(".leasehold/.gitignore", "*\n")

    def command(self, *args: str) -> list[str]:
        """Return the command line of a verb."""
        return [sys.executable, "-m", "supervisor.cli.main", *args]

    def run(self, *args: str, code: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end and check its exit code."""
        done = subprocess.run(
            self.command(*args),
            cwd=self.root,
            env=self.environ | environ,
            text=True,
            capture_output=True,
            timeout=LIMIT,
        )
        assert code is None or done.returncode == code, (
            f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def ask(self, *args: str) -> Any:
        """Run a reading verb and return its JSON."""
        return json.loads(self.run(*args, "--json").stdout)

    def until_idle(self, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the supervisor until nothing is left to do."""
        return self.run("run", "--until-idle", code=code)

    def start(self) -> subprocess.Popen[str]:
        """Start the supervisor, and return once it answers."""
        log = (self.root / ".leasehold/supervisor.log").open("a")
        process = subprocess.Popen(
            self.command("run"), cwd=self.root, env=self.environ, text=True, stderr=log, stdout=log
        )
        log.close()
        self.running.append(process)
        for event in self.follow("supervisor.started", process):
            if event["data"]["pid"] == process.pid:
                return process
        raise AssertionError(self.log())

    def until(self, happened: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
        """Return once something has happened that announces itself to nobody; bounded."""
        deadline = time.monotonic() + LIMIT
        while not happened():
            assert time.monotonic() < deadline, self.log()
            assert process is None or process.poll() is None, self.log()
            time.sleep(0.005)  # a loop without a pause takes the processor from what it waits for

    def follow(
        self, kind: str, process: subprocess.Popen[str], limit: float = LIMIT
    ) -> Iterator[dict[str, Any]]:
        """Yield events of a kind as they happen, the past ones first."""
        from supervisor.world.control.client import Client, Unreachable

        path = self.socket()
        self.until(lambda: path.exists() and _answers(path), process)
        try:
            with Client(path, timeout=limit) as client:
                for event in client.stream("events", kinds=[kind], limit=1000, follow=True):
                    if event["kind"] == kind:
                        yield event
        except Unreachable:
            return

    def wait_for(self, kind: str, count: int = 1, limit: float = LIMIT, **fields: object) -> dict[str, Any]:
        """Return the `count`th event of a kind whose fields match, waiting for it."""
        seen = 0
        for event in self.follow(kind, self.running[-1], limit):
            flat = {**event["data"], **event}
            if all(flat.get(name) == value for name, value in fields.items()):
                seen += 1
                if seen == count:
                    return event
        raise AssertionError(f"no {kind} {fields}\n{self.log()}")

    def socket(self) -> Path:
        """Return the path of the control socket."""
        from supervisor.world.config.discover import socket_beside

        return socket_beside(self.root / ".leasehold/config.toml", self.environ)

    def log(self) -> str:
        """Return what the supervisor logged."""
        return (self.root / ".leasehold/supervisor.log").read_text()

    def end(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
        """Signal a supervisor and return its exit code."""
        process.send_signal(number)
        return process.wait(LIMIT)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the events of the journal, with or without a supervisor."""
        from supervisor.daemon.recorder import event_json
        from supervisor.world.journal.journal import Journal

        with Journal.open_reader(self.root / ".leasehold/state") as reader:
            return [event_json(r.event, r.seq) for r in reader.events(0, 100_000, kinds=kinds)]


def _lines(keys: dict[str, object]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in keys.items()]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value)


def _answers(path: Path) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a fresh repository with one commit; end what was started on it.

    Its sockets have addresses that fit into the 107 bytes of the kernel, however deep the test's folder is.
    """
    runtime = Path(tempfile.mkdtemp(prefix="lh-"))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(runtime),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.invalid",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    made = Site(tmp_path / "site", environ)
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.write("README.md", "a site\n")
    made.git("add", "-A")
    made.git("commit", "-qm", "Begin")
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait(LIMIT)
    _end_sessions(made)
    shutil.rmtree(runtime)


def _end_sessions(made: Site) -> None:
    """Kill what is left of the sessions that this site started, found by their folders or environment."""
    import contextlib

    import psutil

    mark = str(made.root / ".leasehold/state/sessions")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("LEASEHOLD_NOTICE", "").startswith(mark)
            if ours or any(mark in word for word in process.cmdline()):
                process.kill()
    _remove_cgroups(made.root / ".leasehold/state")


def _remove_cgroups(state: Path) -> None:
    """Kill and remove what is left of an installation's groups; its own supervisor may be dead for good."""
    from supervisor.world.cgroups import group
    from supervisor.world.cgroups.hierarchy import MARK, CgroupError, look
    from supervisor.world.launch.installation import installation_of

    if not (state / "installation").exists():
        return
    try:
        left = look().mount / f"{MARK}{installation_of(state, state).id}"
    except CgroupError:
        return
    if left.is_dir():
        assert group.end(left, LIMIT) == []
        group.remove(left)


@pytest.fixture
def tagged() -> Callable[[str], list[int]]:
    """Return what finds the living processes of a session by its tag."""

    def find(session: str) -> list[int]:
        import contextlib

        import psutil

        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                tag = process.environ().get("LEASEHOLD_SESSION")
                if tag == session and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    return find
