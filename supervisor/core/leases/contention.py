"""Which wanted lease has been idle the longest: a heap whose stale entries are put right when they surface."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.core.leases.holdings import Holdings
    from supervisor.core.leases.lease import Lease
    from supervisor.core.leases.waiting import Waiter, WaitQueue


class Contention:
    """Every lease that somebody waits for, by the activity last seen under it.

    A lease enters when a waiter meets it or when it is granted in front of one; whether it is still
    held, still wanted and still as idle is looked at only when it reaches the top.
    """

    __slots__ = ("_heap", "_holdings", "_queue")

    def __init__(self, holdings: Holdings, queue: WaitQueue) -> None:
        self._holdings = holdings
        self._queue = queue
        self._heap: list[tuple[float, int]] = []

    def met(self, waiter: Waiter) -> None:
        """Enter the leases that `waiter` has to wait for."""
        for want in waiter.wants:
            for lease in self._holdings.index.conflicts(waiter.holder, want.scope, want.mode):
                heapq.heappush(self._heap, (self._holdings.active_at(lease), lease.token))

    def granted(self, lease: Lease) -> None:
        """Enter a new lease if somebody waits for it."""
        if self._is_wanted(lease):
            heapq.heappush(self._heap, (lease.granted_at, lease.token))

    def idle_since(self) -> float | None:
        """Return the time of the oldest activity under a wanted lease, or None when none is wanted."""
        if not self._queue.waiters:
            self._heap.clear()
        heap = self._heap
        while heap:
            seen_at, token = heap[0]
            lease = self._holdings.lease(token)
            if lease is None or not self._is_wanted(lease):
                heapq.heappop(heap)
                continue
            active_at = self._holdings.active_at(lease)
            if active_at == seen_at:
                return active_at
            heapq.heapreplace(heap, (active_at, token))
        return None

    def idle(self, since: float) -> list[Lease]:
        """Return the wanted leases without activity later than `since`, the longest idle first."""
        found: dict[int, Lease] = {}
        while (oldest := self.idle_since()) is not None and oldest <= since:
            _, token = heapq.heappop(self._heap)
            lease = self._holdings.lease(token)
            if lease is not None:
                found[token] = lease
        for lease in found.values():
            heapq.heappush(self._heap, (self._holdings.active_at(lease), lease.token))
        return list(found.values())

    def _is_wanted(self, lease: Lease) -> bool:
        return self._queue.wants(lease.holder, lease.scope, lease.mode)
