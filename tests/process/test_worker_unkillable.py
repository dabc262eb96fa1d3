"""A process that not even SIGKILL ends: named, held on to, and let go of when it is gone.

The freezer of cgroup version 1 makes one at will: what it froze does not die before it is thawed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.children.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

FREEZER = Path("/sys/fs/cgroup/freezer")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not os.access(FREEZER / "tasks", os.W_OK),
        reason=f"needs the freezer of cgroup version 1 at {FREEZER}, to make a process that cannot be killed",
    ),
]


class Icebox:
    """A place where a process stands in state D."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, pid: int) -> None:
        (self._path / "cgroup.procs").write_text(str(pid))
        (self._path / "freezer.state").write_text("FROZEN")
        while (self._path / "freezer.state").read_text() != "FROZEN\n":
            os.sched_yield()

    def thaw(self) -> None:
        (self._path / "freezer.state").write_text("THAWED")


@pytest.fixture
def icebox() -> Iterator[Icebox]:
    path = FREEZER / f"leasehold-test-{os.getpid()}"
    path.mkdir()
    box = Icebox(path)
    try:
        yield box
    finally:
        box.thaw()
        while path.is_dir():
            with contextlib.suppress(OSError):  # until what was thawed has died
                path.rmdir()


def test_promise_8_what_cannot_be_killed_is_named_and_the_worker_stays_until_it_is_gone(
    tmp_path: Path, icebox: Icebox
) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()
        pid = session.json("worker.json")["harness"]["pid"]
        icebox.put(pid)

        answer = client.call("kill", by="anna", why="enough")

        assert (answer["ok"], answer["error"]) == (False, "some processes cannot be killed")
        [survivor] = answer["survivors"]
        assert (survivor["pid"], survivor["state"]) == (pid, "D")
        assert survivor["wchan"]
        assert client.event("unkillable")["survivors"] == [survivor]
        assert session.record()["survivors"] == [survivor]
        late = session.connect()
        assert late.next()["record"]["survivors"] == [survivor]
        assert late.call("stop")["survivors"] == [survivor]
        assert session.worker is not None
        assert session.worker.poll() is None

        icebox.thaw()

        record = session.wait()
        assert (record["survivors"], record["unkillable"]) == ([], [survivor])
        assert (record["cause"], record["by"], record["signal"]) == ("kill", "anna", 9)
        assert late.event("ended")["record"] == record


def test_a_process_that_does_not_stand_still_is_named_and_the_session_goes_on(
    tmp_path: Path, icebox: Icebox
) -> None:
    """Frozen by another, it counts as one that waits in the kernel, and would run on at any moment."""
    with Session(tmp_path, "ignores_term_with_family") as session:
        client = session.connect()
        session.wait_ready()
        pid = session.json("worker.json")["harness"]["pid"]
        icebox.put(pid)

        answer = client.call("pause")

        assert answer["ok"] is False
        assert answer["error"].startswith(
            f"1 of its processes did not stand still within 2 s and it goes on: pid {pid} ("
        )
        assert ", state D, waits in " in answer["error"]
        assert client.call("state")["state"] == "running"
        icebox.thaw()
        assert client.call("kill")["ok"] is True
