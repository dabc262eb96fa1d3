"""Which claims overlap a scope, over all repositories and the machine's resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from supervisor.core.leases.lease import Mode
from supervisor.core.leases.path_node import C
from supervisor.core.leases.path_table import PathTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervisor.core.leases.scope import Scope

_SHARED = Mode.SHARED


class LeaseIndex(Generic[C]):
    """A table for each repository and, under the empty name, one for the machine's resources."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: dict[str, PathTable[C]] = {}

    def add(self, claim: C) -> None:
        """Put `claim` in."""
        repo = claim.scope.repo
        table = self._tables.get(repo)
        if table is None:
            table = self._tables[repo] = PathTable()
        table.add(claim)

    def remove(self, claim: C) -> None:
        """Take `claim` out.

        Raises:
            KeyError: it is not in.
        """
        self._tables[claim.scope.repo].remove(claim)

    def overlapping(self, scope: Scope) -> Iterator[C]:
        """Yield every claim that overlaps `scope`, each once."""
        table = self._tables.get(scope.repo)
        if table is not None:
            yield from table.above(scope)
            yield from table.below(scope, exclusive=False)

    def conflicts(self, holder: str, scope: Scope, mode: Mode) -> Iterator[C]:
        """Yield every claim of somebody else that cannot stand beside `holder` having `scope` in `mode`."""
        table = self._tables.get(scope.repo)
        if table is None:
            return
        is_shared = mode is _SHARED
        for claim in table.above(scope):
            if claim.holder != holder and not (is_shared and claim.mode is _SHARED):
                yield claim
        for claim in table.below(scope, exclusive=is_shared):
            if claim.holder != holder:
                yield claim

    def decisive(self, holder: str, scope: Scope, mode: Mode) -> C | None:
        """Return the one claim that answers a request, or None when the way is free.

        That is the holder's own claim which contains `scope` in a sufficient mode, or else the
        first conflict.
        """
        table = self._tables.get(scope.repo)
        return None if table is None else table.decisive(holder, scope, mode)

    def take(self, holder: str, scope: Scope) -> C | None:
        """Take out the holder's claim on exactly this scope and return it; None when there is none."""
        table = self._tables.get(scope.repo)
        return None if table is None else table.take(holder, scope)

    def upwards(self, scope: Scope) -> Sequence[C]:
        """Return the claims that overlap `scope` from its own path upwards: all that can contain it."""
        table = self._tables.get(scope.repo)
        return () if table is None else table.above(scope)
