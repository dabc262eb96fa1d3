"""One worker as a real unit: it says when it is ready, how long it needs, and why its harness died."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.box.box import Box
from tests.system.box.host import limiting, missing_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = Path(__file__).parents[2] / "workers"
PYTHON = str(Path(sys.executable).resolve())  # a worker needs no more than the standard library
BINDS = {WORKERS: "/opt/leasehold/workers"}
UNIT = """
[Service]
Type=notify
NotifyAccess=main
ExecStart={python} -I -S /opt/leasehold/workers session /var/lib/lh/%i
Delegate=yes
KillMode=mixed
OOMPolicy=continue
TimeoutStopSec=1
{limits}
"""
CLIENT = """
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(json.dumps({"id": 1, "op": sys.argv[2]}).encode() + b"\\n")
print(next(line for line in client.makefile() if json.loads(line).get("id") == 1))
"""
POLITE_BUT_SLOW = """
import signal, sys, time
def leave(*_):
    time.sleep(2.5)
    sys.exit(5)
signal.signal(signal.SIGTERM, leave)
while True:
    time.sleep(0.01)
"""
HUNGRY = """
import os
if os.fork() == 0:
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * (1 << 20)))
os.wait()
"""


@pytest.fixture(scope="module")
def box(bootable: None) -> Iterator[Box]:
    with Box(binds=BINDS) as booted:
        yield booted


@pytest.fixture
def limited(bootable: None) -> Iterator[Box]:
    if (reason := missing_limits()) is not None:
        pytest.skip(reason)
    with Box(limiting(), binds=BINDS) as booted:
        yield booted


def begin(box: Box, session: str, program: str, limits: str = "") -> str:
    """Start a session's unit, and return its name once systemd says that it runs."""
    folder = f"/var/lib/lh/{session}"
    spec = {
        "schema": 1, "session": session, "task": "fix", "argv": [PYTHON, "-c", program],
        "env": {"PATH": "/usr/bin:/bin"}, "cwd": "/", "stdin": None, "socket": f"{folder}/sock",
        "budget": {"wall": 600.0, "warn": 0.0, "grace": 10.0}, "log_limit": 1_000_000, "cgroup": "own",
    }  # fmt: skip
    box.write(f"{folder}/spec.json", json.dumps(spec))
    unit = f"lh-{session}@{session}.service"
    box.write(
        f"/run/systemd/system/lh-{session}@.service",
        UNIT.format(python=PYTHON, limits=limits),
    )
    box.sh(f"systemctl daemon-reload; systemctl start {unit}")
    return unit


def ask(box: Box, session: str, op: str) -> dict[str, Any]:
    box.write("/run/client.py", CLIENT)
    found: dict[str, Any] = json.loads(box.sh(f"{PYTHON} /run/client.py /var/lib/lh/{session}/sock {op}"))
    return found


def read(box: Box, session: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.sh(f"cat /var/lib/lh/{session}/{name}"))
    return found


def test_a_started_unit_listens_and_its_harness_is_in_the_tree_below(box: Box) -> None:
    unit = begin(box, "ready", "import time; time.sleep(60)")

    worker = read(box, "ready", "worker.json")
    assert box.show(unit, "MainPID", "SubState") == {"MainPID": str(worker["pid"]), "SubState": "running"}
    assert worker["cgroup"].endswith(f"/{unit}")
    box.wait(lambda: ask(box, "ready", "state")["state"] == "running", "the harness runs")
    harness = read(box, "ready", "worker.json")["harness"]["pid"]
    assert box.sh(f"cat '{worker['cgroup']}/tree/cgroup.procs'").split() == [str(harness)]
    assert ask(box, "ready", "kill")["ok"] is True
    box.wait(lambda: box.show(unit, "ActiveState")["ActiveState"] == "inactive", "the unit has ended")
    assert box.show(unit, "Result") == {"Result": "success"}


def test_promise_8_a_stop_of_the_unit_is_given_the_time_that_the_session_needs(box: Box) -> None:
    """Its harness takes 2.5 s to leave, the unit has a TimeoutStopSec of 1 s."""
    unit = begin(box, "slow", POLITE_BUT_SLOW)
    box.wait(lambda: ask(box, "slow", "state")["state"] == "running", "the harness runs")

    box.sh(f"systemctl stop {unit}")

    record = read(box, "slow", "exit.json")
    assert (record["cause"], record["by"], record["code"]) == ("stop", "service manager", 5)
    assert box.show(unit, "Result") == {"Result": "success"}


def test_a_paused_session_outlives_the_time_limit_of_its_unit_and_can_be_stopped_by_it(box: Box) -> None:
    unit = begin(box, "paused", POLITE_BUT_SLOW, "RuntimeMaxSec=3")
    box.wait(lambda: ask(box, "paused", "state")["state"] == "running", "the harness runs")

    assert ask(box, "paused", "pause")["state"] == "paused"

    box.wait(lambda: ask(box, "paused", "state")["paused_for"] > 4, "the limit is over")
    assert box.show(unit, "ActiveState") == {"ActiveState": "active"}
    box.sh(f"systemctl stop {unit}")
    record = read(box, "paused", "exit.json")
    assert (record["by"], record["code"]) == ("service manager", 5)
    assert record["paused"] > 4


def test_a_process_killed_for_want_of_memory_is_named_and_the_worker_lives_to_tell(
    limited: Box,
) -> None:
    box = limited
    begin(box, "hungry", HUNGRY, "MemoryMax=64M\nMemorySwapMax=0")

    box.wait(lambda: "exit.json" in box.sh("ls /var/lib/lh/hungry").split(), "the session has ended")

    record = read(box, "hungry", "exit.json")
    assert record["limits"]["oom_kills"] == 1
    assert record["why"] == (
        "the harness exited with code 0; the kernel killed 1 of its processes for want of memory"
    )
