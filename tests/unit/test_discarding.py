"""Which uncommitted changes a session's git command may not throw away."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from supervisor.daemon.verbs.discarding import fresh_files
from supervisor.world.git.facts import Dirt, DirtyFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", [Dirt.MODIFIED, Dirt.STAGED, Dirt.RENAMED, Dirt.CONFLICTED])
def test_a_change_to_a_tracked_file_counts_however_far_git_was_told_of_it(tmp_path: Path, kind: Dirt) -> None:
    (tmp_path / "a.py").write_text("a person's")
    files = (DirtyFile("a.py", kind),)

    assert fresh_files(tmp_path, files, "tracked", 0.0, ()).keys() == {"a.py"}
    assert fresh_files(tmp_path, files, "both", 0.0, ()).keys() == {"a.py"}
    assert fresh_files(tmp_path, files, "untracked", 0.0, ()) == {}


@pytest.mark.parametrize("kind", [Dirt.UNTRACKED, Dirt.MODIFIED])
def test_a_new_file_counts_from_when_it_came_whatever_time_it_brought(tmp_path: Path, kind: Dirt) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("a person's")
    since = notes.stat().st_mtime
    os.utime(notes, (1.0, 1.0))  # as `mv`, `cp -p` and an archive leave it

    changed = fresh_files(tmp_path, (DirtyFile("notes.md", kind),), "both", since, ())

    assert list(changed) == (["notes.md"] if kind is Dirt.UNTRACKED else [])


def test_a_new_symbolic_link_counts(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")

    assert "link" in fresh_files(tmp_path, (DirtyFile("link", Dirt.UNTRACKED),), "untracked", 0.0, ())


def test_what_lies_apart_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/a.md").write_text("x")
    files = (DirtyFile("tasks/a.md", Dirt.UNTRACKED),)

    assert fresh_files(tmp_path, files, "both", 0.0, (tmp_path / "tasks",)) == {}
