"""Which uncommitted changes a session's git command may not throw away."""

from __future__ import annotations

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

    assert fresh_files(tmp_path, files, "tracked", 0.0, ()) == ("a.py",)
    assert fresh_files(tmp_path, files, "both", 0.0, ()) == ("a.py",)
    assert fresh_files(tmp_path, files, "untracked", 0.0, ()) == ()
