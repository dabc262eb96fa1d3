"""`leasehold doctor --canary`: two real sessions collide, and it says what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import guarded

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
DOCTOR = [sys.executable, "-m", "supervisor.cli.main", "doctor", "--canary", "--json"]


def test_the_canary_shows_in_words_how_the_second_write_was_refused() -> None:
    done = subprocess.run(DOCTOR, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["bites"] is True
    assert found["level"] == "kernel"
    assert "shared.txt: Device or resource busy" in found["printed"]
    assert "held by session" in found["told"]
    assert "task holder" in found["told"]


def test_where_the_guard_cannot_be_had_the_canary_fails_and_says_why(tmp_path: Path) -> None:
    out = tmp_path / "out"
    env = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = ["/bin/sh", "-c", f'"$@" >{out} 2>&1', "sh", *DOCTOR]

    # Below a listener of somebody else's the kernel allows no second one.
    done = guarded.run(tmp_path, command, lambda _target: False, env=env)

    found = json.loads(out.read_text())
    assert done.code == 1
    assert found["bites"] is False
    assert found["level"] == "hooks"
    assert found["why"]
