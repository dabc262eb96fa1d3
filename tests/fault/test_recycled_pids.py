"""Promise 9: a process that was given the number of a dead worker or harness is never signalled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.fault,
    pytest.mark.process,
    pytest.mark.skipif(
        os.getuid() != 0 or shutil.which("unshare") is None,
        reason="a pid namespace in which numbers can be chosen needs root and unshare(1)",
    ),
]
RECYCLE = Path(__file__).parent / "children/recycle.py"


@pytest.mark.parametrize("launcher", ["sweep", "auto"])
def test_promise_9_innocent_processes_with_the_numbers_of_a_dead_session_are_not_signalled(arena, launcher):
    arena.furnish("stays-0", retry={"attempts": 1}, supervisor={"launcher": launcher})

    done = subprocess.run(
        [
            *("unshare", "--pid", "--fork", "--mount-proc", sys.executable, str(RECYCLE)),
            *(str(arena.site.root), str(arena.evidence.folder), *arena.site.command("run")),
        ],
        env=arena.site.environ,
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["states"] == {str(pid): "S sleep\n" for pid in told["recycled"]}
    assert told["code"] == 1, told["log"]  # the task is parked: its one attempt is lost
    assert '"outcome": "lost"' in told["log"]
