"""Leases that were taken from their holder: why an old token is refused although the path may be free."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from supervisor.core.leases.scope import Kind, contains, covers_key

if TYPE_CHECKING:
    from supervisor.core.leases.lease import Lease

_LIMIT = 256


class Losses:
    """What one holder has lost, at most 256 leases; older ones count for their whole repository.

    Forgetting a loss could let a stale commit land, so memory is bounded by refusing more, not less.
    """

    __slots__ = ("_recent", "_whole")

    def __init__(self) -> None:
        self._recent: deque[Lease] = deque()
        self._whole: dict[str, int] = {}

    def add(self, lease: Lease) -> None:
        """Remember that `lease` was taken away."""
        self._recent.append(lease)
        if len(self._recent) > _LIMIT:
            oldest = self._recent.popleft()
            self._whole[oldest.scope.repo] = oldest.token

    def granted(self, lease: Lease) -> None:
        """Drop what `lease`, newly granted, gives back."""
        scope = lease.scope
        self._recent = deque(loss for loss in self._recent if not contains(scope, loss.scope))
        if scope.kind is Kind.TREE and not scope.key:
            self._whole.pop(scope.repo, None)

    def token(self, repo: str, key: str) -> int | None:
        """Return the newest lost token over the path with this comparison key, or None."""
        for loss in reversed(self._recent):
            if loss.scope.repo == repo and covers_key(loss.scope, key):
                return loss.token
        return self._whole.get(repo)
