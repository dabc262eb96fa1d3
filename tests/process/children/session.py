"""One real worker with one real harness, as a test sees them: bounded waits, nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]
ZOO = Path(__file__).with_name("zoo.py")
PATIENCE = 60.0  # seconds; far above what anything here takes


class Connection:
    """A client of the worker."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def ask(self, op: str, **fields: object) -> int:
        self._number += 1
        self.send(json.dumps({"id": self._number, "op": op, **fields}).encode() + b"\n")
        return self._number

    def answer(self, number: int | str) -> dict[str, Any]:
        """Return the answer to a request; the events before it are kept."""
        while True:
            message = self.next()
            if message.get("id") == number:
                return message

    def call(self, op: str, **fields: object) -> dict[str, Any]:
        return self.answer(self.ask(op, **fields))

    def event(self, name: str) -> dict[str, Any]:
        """Return the first event of that name, seen already or yet to come."""
        while True:
            for event in self.events:
                if event["event"] == name:
                    return event
            self.next()

    def next(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise EOFError("the worker closed the connection")
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def closed(self) -> bool:
        """Wait until the worker hangs up."""
        with contextlib.suppress(ConnectionError):
            while self._lines.readline():
                pass
        return True

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Session:
    """A session in `folder`, started with `start`; use it in a `with`, which ends what is left of it."""

    def __init__(self, folder: Path, argv: list[str] | str, **changes: Any) -> None:
        self.folder = folder / "session"
        self.folder.mkdir()
        self.tag = uuid.uuid4().hex
        self.socket = folder / "s"
        self.fifo = folder / "ready"
        os.mkfifo(self.fifo)
        self.fifo.chmod(0o666)
        folder.chmod(0o755)
        self._ready = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        animal = [sys.executable, "-I", "-S", str(ZOO), argv] if isinstance(argv, str) else argv
        budget = {"wall": 300.0, "warn": 0.0, "grace": 5.0} | changes.pop("budget", {})
        env = {
            "PATH": os.environ["PATH"],
            "TAG": self.tag,
            "READY": str(self.fifo),
            "WORKER_SOCKET": str(self.socket),
        }
        env |= changes.pop("env", {})
        self.spec = {
            "schema": 1, "session": "k3f9x2", "task": "fix-parser", "argv": animal, "env": env,
            "cwd": str(folder), "stdin": None, "budget": budget, "log_limit": 10_000_000,
            "soft_signal": "TERM", "socket": str(self.socket),
        } | changes  # fmt: skip
        (self.folder / "spec.json").write_text(json.dumps(self.spec))
        self._connections: list[Connection] = []
        self.worker: subprocess.Popen[bytes] | None = None

    lock_fd: int | None = None  # handed down at the start

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self.worker is not None:
            if self.worker.poll() is None:
                self.worker.terminate()
                try:
                    self.worker.wait(self.spec["budget"]["grace"] + PATIENCE)
                except subprocess.TimeoutExpired:
                    self.worker.kill()
                    self.worker.wait()
            assert self.worker.stderr is not None
            self.worker.stderr.close()
        for pid in self.tagged():
            os.kill(pid, signal.SIGKILL)
        os.close(self._ready)

    def start(self, listen_fd: int | None = None) -> None:
        self.worker = self.start_another(listen_fd, self.lock_fd)

    def command(self) -> list[str]:
        return [sys.executable, "-I", "-S", str(ROOT / "workers"), "session", str(self.folder)]

    def start_another(
        self, listen_fd: int | None = None, lock_fd: int | None = None
    ) -> subprocess.Popen[bytes]:
        command = self.command()
        pass_fds: tuple[int, ...] = ()
        for option, number in (("--listen-fd", listen_fd), ("--lock-fd", lock_fd)):
            if number is not None:
                command += [option, str(number)]
                pass_fds += (number,)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=pass_fds)

    @property
    def pid(self) -> int:
        assert self.worker is not None
        return self.worker.pid

    def wait_ready(self) -> str:
        """Wait for the harness's word; it comes after the program has set itself up."""
        words = b""
        end = time.monotonic() + PATIENCE
        while not words.endswith(b"\n"):
            if not select.select([self._ready], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the harness did not get ready")
            words += os.read(self._ready, 1)
        return words.decode().strip()

    def connect(self) -> Connection:
        """Connect; the end of the standard error that the worker was given says that it listens."""
        assert self.worker is not None
        assert self.worker.stderr is not None
        while select.select([self.worker.stderr], [], [], PATIENCE)[0] and os.read(
            self.worker.stderr.fileno(), 4096
        ):
            pass
        connection = Connection(self.socket)
        self._connections.append(connection)
        return connection

    def hang_up(self) -> None:
        """Close every connection to the worker."""
        while self._connections:
            self._connections.pop().close()

    def wait(self) -> dict[str, Any]:
        """Wait for the worker to leave and return the exit record."""
        assert self.worker is not None
        assert self.worker.wait(PATIENCE) == 0, self.read("worker.log")
        return self.record()

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.read("exit.json"))
        return record

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.read(name))
        return content

    def tagged(self) -> list[int]:
        """Return the living processes that carry this session's tag in their environment."""
        wanted = f"TAG={self.tag}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found
