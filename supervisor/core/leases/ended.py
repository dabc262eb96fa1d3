"""The leases that ended while git was at work: it may have taken in what they covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.core.leases.lease import Mode
from supervisor.core.leases.scope import Kind, covers_key

if TYPE_CHECKING:
    from supervisor.core.leases.lease import Lease

GIT = "resource:git/"
"""How the resources begin that stand for git's turn at a checkout."""

UNKNOWN = "another session, perhaps,"

_FILE, _RESOURCE, _EXCLUSIVE = Kind.FILE, Kind.RESOURCE, Mode.EXCLUSIVE
_MOST = 16_384  # leases on files
_FEW = 256  # others


class Ended:
    """Remembers them as long as a turn lasts, each with the newest token of its time: tokens are the clock of leases."""

    __slots__ = ("_files", "_forgotten", "_others", "_turns")

    def __init__(self) -> None:
        self._turns: set[int] = set()
        self._files: dict[tuple[str, str], tuple[int, Lease]] = {}  # by repository and key, the latest last
        self._others: list[tuple[int, Lease]] = []
        self._forgotten = 0  # of leases that ended until this token some are not remembered

    def began(self, lease: Lease) -> None:
        """Note that a lease on a resource was granted."""
        if lease.scope.key.startswith(GIT):
            self._turns.add(lease.token)

    def add(self, lease: Lease, newest: int) -> None:
        """Note the end of a lease, when `newest` was the highest token given."""
        scope = lease.scope
        if scope.kind is _RESOURCE:
            self._turns.discard(lease.token)
            if not self._turns:
                self._files.clear()
                self._others.clear()
        elif self._turns and lease.mode is _EXCLUSIVE:
            if scope.kind is _FILE:
                self._files.pop((scope.repo, scope.key), None)
                self._files[scope.repo, scope.key] = newest, lease
                if len(self._files) > _MOST:
                    self.forget(self._files.pop(next(iter(self._files)))[0])
            else:
                self._others.append((newest, lease))
                if len(self._others) > _FEW:
                    self.forget(self._others.pop(0)[0])

    def forget(self, newest: int) -> None:
        """Note that not all leases are remembered that ended until this token was the highest."""
        self._forgotten = max(self._forgotten, newest)

    def since(self, token: int, holder: str, repo: str, key: str) -> str | None:
        """Return who else had an exclusive lease over a path that has ended since this token was given.

        `UNKNOWN` where that is not remembered.
        """
        if token <= self._forgotten:
            return UNKNOWN
        found = [self._files.get((repo, key)), *reversed(self._others)]
        for newest, lease in filter(None, found):
            is_late = newest >= token and lease.holder != holder
            if is_late and lease.scope.repo == repo and covers_key(lease.scope, key):
                return lease.holder
        return None
