"""One git command in a session's own environment, hooks and all; for trying the gate."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_LIMIT = 30.0  # seconds


def session_git(folder: Path, arguments: Sequence[str], env: Mapping[str, str]) -> tuple[bool, str]:
    """Run git to its end; return whether it refused, and what it said. Blocks: call it from a thread.

    Raises:
        OSError: git cannot be run, or did not end in time.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"git did not end within {_LIMIT:.0f} s") from error
    return done.returncode != 0, done.stderr
