"""Commits as the memory of recent commits keeps them."""

from __future__ import annotations

from supervisor.core.history.recent import Touch
from supervisor.world.git.history import Commit


def touch(commit: Commit) -> Touch:
    """Return a commit as the memory of recent commits keeps it."""
    return Touch(
        commit.at_wall, commit.session or "", commit.task or "", commit.sha, commit.subject, commit.paths
    )
