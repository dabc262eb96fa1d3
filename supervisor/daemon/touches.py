"""Commits as the memory of recent commits keeps them, and as endings name them: oldest first, where git has the newest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from supervisor.core.history.recent import Touch
from supervisor.core.sessions.remains import Landed
from supervisor.world.git.history import Commit


def touches(commits: Sequence[Commit]) -> Iterator[Touch]:
    """Yield commits as the memory of recent commits keeps them."""
    for commit in reversed(commits):
        yield Touch(
            commit.at_wall, commit.session or "", commit.task or "", commit.sha, commit.subject, commit.paths
        )


def named(commits: Iterable[Commit]) -> tuple[Landed, ...]:
    """Return commits as endings name them."""
    found = tuple(Landed(c.sha, c.subject, c.at_wall, c.paths) for c in commits)
    return found[::-1]
