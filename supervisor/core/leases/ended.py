"""The latest leases that have ended: whoever began something before may have taken in what they covered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from supervisor.core.leases.lease import Mode
from supervisor.core.leases.scope import Kind, covers_key

if TYPE_CHECKING:
    from supervisor.core.leases.lease import Lease

_RESOURCE, _EXCLUSIVE = Kind.RESOURCE, Mode.EXCLUSIVE
_MOST = 4096  # leases


class Ended:
    """Remembers some thousand of them, each with the newest token of its time: tokens are the clock of leases."""

    __slots__ = ("_leases",)

    def __init__(self) -> None:
        self._leases: deque[tuple[int, Lease]] = deque(maxlen=_MOST)

    def add(self, lease: Lease, newest: int) -> None:
        """Note the end of a lease, when `newest` was the highest token given."""
        if lease.mode is _EXCLUSIVE and lease.scope.kind is not _RESOURCE:
            self._leases.append((newest, lease))

    def since(self, token: int, holder: str, repo: str, key: str) -> Lease | None:
        """Return an exclusive lease of another holder over a path that has ended since this token was given."""
        for newest, lease in reversed(self._leases):
            if newest < token:
                return None
            if lease.holder != holder and lease.scope.repo == repo and covers_key(lease.scope, key):
                return lease
        return None
