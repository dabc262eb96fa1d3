"""What a worker says to the service manager that started it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.process.children.session import PATIENCE, Session

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def test_a_worker_says_that_it_is_ready_when_it_listens_and_asks_for_time_to_end(tmp_path: Path) -> None:
    private = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "5", "INVOCATION_ID": "ab", "LISTEN_FDS": "1"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        session = Session(tmp_path, ["/usr/bin/env"], env=private)
        environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        worker = subprocess.Popen(session.command(), env=environ)

        assert manager.recv(1000) == b"READY=1"
        assert (session.folder / "worker.json").exists()
        assert manager.recv(1000).startswith(b"EXTEND_TIMEOUT_USEC=")
        assert worker.wait(PATIENCE) == 0

    seen = {line.split("=")[0] for line in session.read("out.log").splitlines()}
    assert seen >= {"PATH", "TAG"}
    assert not seen & private.keys()
    assert json.loads(session.read("exit.json"))["code"] == 0


def test_a_stop_by_the_service_manager_is_named_as_one(tmp_path: Path) -> None:
    session = Session(tmp_path, "leaves_politely")
    environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "nobody")}
    worker = subprocess.Popen(session.command(), env=environ)
    session.wait_ready()

    worker.terminate()

    assert worker.wait(PATIENCE) == 0
    assert (session.record()["by"], session.record()["code"]) == ("service manager", 5)
