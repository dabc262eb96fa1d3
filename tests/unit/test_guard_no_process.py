"""A guard on a host that has no process to give: it answers, and the worker lives."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workers.gate.differ import Differ
from workers.guard.branches import Branches
from workers.guard.ignored import Ignored
from workers.guard.line import Line
from workers.guard.refs import ZERO, Move
from workers.session.loop import Loop

pytestmark = pytest.mark.guard


@pytest.fixture
def git() -> str:
    found = shutil.which("git")
    assert found is not None
    return found


@pytest.fixture
def repository(git: str, tmp_path: Path) -> Path:
    subprocess.run([git, "init", "-q", tmp_path], check=True, timeout=60)
    (tmp_path / ".gitignore").write_text("*.log\n")
    return tmp_path


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch, git: str, repository: Path) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(os, "posix_spawn", refuse)
    monkeypatch.setattr(os, "posix_spawnp", refuse)


def _descriptors() -> int:
    gc.collect()  # what earlier tests dropped goes now, and not between two counts
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("old", [b"1" * 40, ZERO])
def test_a_branch_does_not_move_when_nobody_can_be_asked_for_want_of_a_process(starved, git, repository, old):
    git_dir = os.fsencode(repository / ".git")
    loop = Loop(lambda _signal: None, ())
    line = Line(loop, str(repository / "nobody"), "token", 0.0)
    branches = Branches(loop, git_dir, {}, Differ(loop, git, git_dir), line)
    before = _descriptors()
    told: list[list[str]] = []

    branches.judge([Move(old, b"2" * 40, b"refs/heads/main")], told.append)

    assert told == [["nobody could be asked whether this branch may move; repeat the command"]]
    assert _descriptors() == before


def test_a_path_counts_as_not_ignored_and_no_descriptor_is_lost_when_git_cannot_be_started(
    starved, git, repository
):
    ignored = Ignored(os.fsencode(repository), git, os.fsencode(repository / ".git"))
    before = _descriptors()

    assert not any(ignored.covers(b"%d.log" % number) for number in range(20))

    assert _descriptors() == before
    ignored.close()
