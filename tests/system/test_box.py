"""The box itself: a real systemd that comes up, is bounded, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.box import cgroups
from tests.system.box.box import Box, BoxError

ROOT = Path(__file__).parents[2]


def remains(name: str) -> list[Path]:
    """Return the groups of a box that still exist, in any hierarchy."""
    places = cgroups.hierarchies(Path("/proc/mounts").read_text()).values()
    return [place / name for place in places if (place / name).exists()]


def test_five_boots_in_a_row_come_up_and_leave_nothing(bootable):
    for _ in range(5):
        with Box() as box:
            assert box.sh("systemctl is-system-running").strip() == "running"
            name = box.name

            assert remains(name)
        assert remains(name) == []


def test_two_boxes_at_once_do_not_see_each_other(box):
    with Box() as other:
        box.sh("systemd-run --quiet --unit=mine sleep infinity")

        assert box.show("mine", "ActiveState")["ActiveState"] == "active"
        assert other.show("mine", "ActiveState")["ActiveState"] == "inactive"
        assert any("sleep infinity" in command for _, command in box.processes())
        assert not any("sleep infinity" in command for _, command in other.processes())
    assert box.sh("systemctl is-system-running").strip() == "running"
    box.sh("systemctl stop mine")


def test_the_files_of_the_computer_stay_as_they_are(bootable, tmp_path):
    (tmp_path / "kept").write_text("as it was")
    with Box(binds={tmp_path: "/srv/bound"}) as box:
        box.write("/etc/leasehold-box-was-here", "")

        assert box.sh("cat /srv/bound/kept") == "as it was"
        assert "Read-only file system" in box.sh("echo changed >/srv/bound/kept", code=None)
    assert not Path("/etc/leasehold-box-was-here").exists()


def test_a_unit_that_will_not_stop_does_not_hold_the_box(bootable):
    with Box() as box:
        box.sh(
            "systemd-run --quiet --unit=deaf -p TimeoutStopSec=infinity "
            "sh -c 'trap \"\" TERM; while :; do sleep 1000; done'"
        )
        before = time.monotonic()

        assert box.stop(patience=0.5) == "killed"
        assert time.monotonic() - before < 5
        assert remains(box.name) == []


def test_a_box_dies_with_its_killed_test_process(bootable):
    script = "from tests.system.box.box import Box; b = Box(); b.start(); print(b.name, b.pid, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    name, pid = process.stdout.readline().split()
    systemd = os.pidfd_open(int(pid))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)

    assert _readable(systemd, 10)
    os.close(systemd)
    deadline = time.monotonic() + 10
    while remains(name):
        assert time.monotonic() < deadline, remains(name)
        time.sleep(0.02)


def test_a_command_that_hangs_is_killed_inside(box):
    before = time.monotonic()

    assert box.run(["sleep", "1000"], limit=0.3).returncode == 124
    assert time.monotonic() - before < 5
    assert not any("sleep 1000" in command for _, command in box.processes())


def test_a_box_that_does_not_come_up_says_why_and_leaves_nothing(bootable):
    box = Box(binds={Path("/no/such/place"): "/srv/bound"})

    with pytest.raises(BoxError, match="/no/such/place"):
        box.start()
    assert remains(box.name) == []


def test_limits_of_memory_and_tasks_bite(limiting_box):
    hog = limiting_box.sh(
        "systemd-run --wait --pipe -p MemoryMax=50M -p MemorySwapMax=0 "
        "sh -c 'head -c 200M /dev/zero | tail -c 200M | wc -c'",
        code=None,
    )
    storm = limiting_box.sh(
        "systemd-run --wait --pipe -p TasksMax=5 sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'",
        code=None,
    )

    assert "209715200" not in hog
    assert "fork" in storm.lower(), storm


def _readable(descriptor: int, limit: float) -> bool:
    import select

    return bool(select.select([descriptor], [], [], limit)[0])
