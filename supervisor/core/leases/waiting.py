"""The queue behind the leases: who waits, for what, until when, and behind whom.

Every two waiters of different holders whose wants conflict have an order: by priority, then by who
came first, except that who already waits for you is not before you. So "waits for", over leases
and the queue together, never has a cycle, and each place in the queue is reached.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisor.core.leases.lease import Queued
from supervisor.core.leases.lease_index import LeaseIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.core.leases.lease import Mode, Want
    from supervisor.core.leases.scope import Scope


@dataclass(eq=False, slots=True)
class Waiter:
    """One request in the queue; `behind` are the waiters that must go first."""

    id: int
    holder: str
    wants: tuple[Want, ...]
    priority: int
    asked_at: float
    deadline: float
    claims: tuple[Queued, ...]
    behind: set[int] = field(default_factory=set)


class WaitQueue:
    """All waiters, found by id, by holder, by the scopes they want, and by their deadline."""

    __slots__ = ("_by_holder", "_deadlines", "_index", "_last_id", "waiters")

    def __init__(self) -> None:
        self.waiters: dict[int, Waiter] = {}
        self._by_holder: dict[str, dict[int, Waiter]] = {}
        self._index: LeaseIndex[Queued] = LeaseIndex()
        self._deadlines: list[tuple[float, int]] = []
        self._last_id = 0

    def of(self, holder: str) -> tuple[Waiter, ...]:
        """Return the waiters of `holder`, oldest first."""
        return tuple(self._by_holder.get(holder, {}).values())

    def rivals(self, holder: str, wants: Iterable[Want]) -> dict[int, Queued]:
        """Return the claims of other holders' waiters that conflict with `wants`: one for each waiter."""
        found: dict[int, Queued] = {}
        for want in wants:
            for claim in self._index.conflicts(holder, want.scope, want.mode):
                found.setdefault(claim.waiter, claim)
        return found

    def interested(self, scopes: Iterable[Scope]) -> set[int]:
        """Return the ids of the waiters that want a part of `scopes`."""
        return {claim.waiter for scope in scopes for claim in self._index.overlapping(scope)}

    def ordered(self, ids: Iterable[int]) -> list[Waiter]:
        """Return the waiters with these ids by priority, then by arrival."""
        waiters = [self.waiters[waiter_id] for waiter_id in ids if waiter_id in self.waiters]
        return sorted(waiters, key=lambda waiter: (-waiter.priority, waiter.id))

    def wants(self, holder: str, scope: Scope, mode: Mode) -> bool:
        """Return whether somebody waits who could not go on while `holder` has `scope` in `mode`."""
        return next(self._index.conflicts(holder, scope, mode), None) is not None

    def add(
        self,
        holder: str,
        wants: tuple[Want, ...],
        priority: int,
        *,
        asked_at: float,
        deadline: float,
        ahead: set[int],
    ) -> Waiter:
        """Enter a waiter behind those whose ids are in `ahead`, and before every other rival."""
        self._last_id += 1
        waiter_id = self._last_id
        claims = tuple(Queued(holder, want.scope, want.mode, waiter_id, asked_at) for want in wants)
        waiter = Waiter(waiter_id, holder, wants, priority, asked_at, deadline, claims, ahead)
        for rival in self.rivals(holder, wants):
            if rival not in ahead:
                self.waiters[rival].behind.add(waiter_id)
        self.waiters[waiter_id] = waiter
        self._by_holder.setdefault(holder, {})[waiter_id] = waiter
        for claim in claims:
            self._index.add(claim)
        heapq.heappush(self._deadlines, (deadline, waiter_id))
        return waiter

    def remove(self, waiter: Waiter) -> set[int]:
        """Take `waiter` out; return the ids of those that were behind it."""
        del self.waiters[waiter.id]
        theirs = self._by_holder[waiter.holder]
        del theirs[waiter.id]
        if not theirs:
            del self._by_holder[waiter.holder]
        for claim in waiter.claims:
            self._index.remove(claim)
        followers: set[int] = set()
        for rival in self.rivals(waiter.holder, waiter.wants):
            behind = self.waiters[rival].behind
            if waiter.id in behind:
                behind.discard(waiter.id)
                followers.add(rival)
        return followers

    def firsts(self, waiter: Waiter) -> tuple[Queued, ...]:
        """Return a claim of each waiter that goes before `waiter`, in order."""
        return tuple(first.claims[0] for first in self.ordered(waiter.behind))

    def overdue(self, now: float) -> list[Waiter]:
        """Return the waiters whose deadline has come, earliest first."""
        return sorted(
            (waiter for waiter in self.waiters.values() if waiter.deadline <= now),
            key=lambda waiter: (waiter.deadline, waiter.id),
        )

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when nobody waits for a limited time."""
        while self._deadlines and self._deadlines[0][1] not in self.waiters:
            heapq.heappop(self._deadlines)
        if not self._deadlines or self._deadlines[0][0] == float("inf"):
            return None
        return self._deadlines[0][0]
