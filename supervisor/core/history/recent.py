"""What landed lately, per repository: the memory behind "another session was just here"."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core.leases.lease import Want
from supervisor.core.leases.scope import covers

_PATHS = 50_000  # paths whose latest commit is remembered


@dataclass(frozen=True, slots=True)
class Touch:
    """A commit: when (Unix seconds), whose session and task (empty for a human's), and its paths."""

    at: float
    session: str
    task: str
    sha: str
    subject: str
    paths: tuple[str, ...]


class Recent:
    """Commits of the last `window` seconds, and for each path the latest one, however old."""

    def __init__(self, window: float, limit: int = 500) -> None:
        self.window = window
        self._touches: dict[str, deque[Touch]] = {}
        self._latest: dict[tuple[str, str], Touch] = {}
        self._limit = limit

    def add(self, repo: str, touch: Touch) -> None:
        """Remember a commit; one that is known by its id is kept once."""
        touches = self._touches.setdefault(repo, deque(maxlen=self._limit))
        if not touch.sha or all(known.sha != touch.sha for known in touches):
            touches.append(touch)
            for path in touch.paths:
                self._latest[repo, path] = touch
            while len(self._latest) > _PATHS:
                del self._latest[next(iter(self._latest))]

    def latest(self, repo: str, path: str) -> Touch | None:
        """Return the latest commit that is remembered to have touched this very path."""
        return self._latest.get((repo, path))

    def inside(self, repo: str, wants: Iterable[Want], now: float) -> list[Touch]:
        """Return the commits of the window that touched these scopes, oldest first."""
        touches = self._touches.get(repo)
        if not touches:
            return []
        scopes = [want.scope for want in wants if want.scope.repo == repo]
        return [
            touch
            for touch in touches
            if touch.at > now - self.window
            and any(covers(scope, path) for scope in scopes for path in touch.paths)
        ]

    def newest(self, repo: str) -> float:
        """Return when the latest commit landed there (Unix seconds); 0 when none is remembered."""
        touches = self._touches.get(repo)
        return max((touch.at for touch in touches), default=0.0) if touches else 0.0
