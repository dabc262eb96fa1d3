"""A process that cannot be killed, made with the freezer of cgroup version 1: what it froze does not die."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FREEZER = Path("/sys/fs/cgroup/freezer")

needs_icebox = pytest.mark.skipif(
    not os.access(FREEZER / "tasks", os.W_OK),
    reason=f"needs the freezer of cgroup version 1 at {FREEZER}, to make a process that cannot be killed",
)


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


@contextlib.contextmanager
def made_icebox() -> Iterator[Icebox]:
    """Yield an icebox; what is in it is thawed afterwards."""
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
