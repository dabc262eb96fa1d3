"""Which branch a work tree is on, read without git: a question that a decision waits for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from supervisor.world.git.repository import HEADS

_LONGEST = 4096  # bytes of a reference's name


def checked_out(git_dir: Path) -> str:
    """Return the short name of the branch that HEAD in `git_dir` names; empty where it is detached or unreadable."""
    try:
        fd = os.open(git_dir / "HEAD", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        kind, _, ref = os.fsdecode(os.read(fd, _LONGEST)).partition(" ")
    finally:
        os.close(fd)
    return ref.strip().removeprefix(HEADS) if kind == "ref:" and ref.startswith(HEADS) else ""
