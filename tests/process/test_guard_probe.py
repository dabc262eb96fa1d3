"""The probe of the guard, run as the supervisor and the units run it: its word goes into a pipe or a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workers
from supervisor.daemon.self_test import probe_level
from supervisor.world.level import Bite, Level
from tests.process.guarded import run
from workers.guard.probe import serve
from workers.guard.resolve import Eyes
from workers.guard.seccomp import Listener

pytestmark = pytest.mark.process


def test_the_probe_says_what_it_saw_also_where_its_output_is_no_terminal():
    command = [sys.executable, "-I", "-S", str(Path(workers.__file__).parent), "guard-probe"]

    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    assert done.stdout.strip() != ""
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("below", "level"),
    [(Bite(holds=True, told="seen"), Level.KERNEL), (Bite(holds=False, told="seen"), Level.HOOKS)],
)
async def test_what_was_seen_where_sessions_run_decides_the_level(below, level):
    found, told = await probe_level(below=below)

    assert found is level
    assert told.endswith("seen")


@pytest.mark.asyncio
async def test_a_guard_that_is_switched_off_is_named_as_the_reason():
    found, told = await probe_level(guard=False, below=Bite(holds=True, told="seen"))

    assert found is Level.HOOKS
    assert told.endswith("the guard is switched off by guard.mode")


def test_the_probe_says_that_another_guard_is_above_it(tmp_path):
    command = [sys.executable, "-I", "-S", str(Path(workers.__file__).parent), "guard-probe"]

    done = run(tmp_path, command, lambda _target: False)

    assert done.code == 1
    assert done.output.strip() == (
        "the guard cannot be put in place: another guard is at work above this one, as inside a session"
    )


def test_the_probe_does_not_wait_for_a_kernel_that_says_only_later_that_its_child_has_ended(tmp_path):
    # On Linux 6.1 a listener hangs up once the last task with the filter was waited for, not when it ended.
    silent, other_end = os.pipe()
    child = subprocess.Popen(["true"])

    assert serve(Listener(silent), Eyes(os.fsencode(tmp_path)), b"/held", child.pid)

    os.close(other_end)
    assert child.wait() == 0


def test_programs_under_the_guard_are_not_slowed_by_mitigations_against_speculation(tmp_path):
    grep = shutil.which("grep")
    assert grep is not None
    command = [grep, "^Speculation", "/proc/self/status"]
    bare = subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert run(tmp_path, command, lambda _target: False).output == bare
