"""Who goes before whom: the waiters that a request must not overtake, and whether its own wait would ever end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.core.leases import wait_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.core.leases.holdings import Holdings
    from supervisor.core.leases.lease import Lease, Queued, Want
    from supervisor.core.leases.waiting import WaitQueue


class Precedence:
    """Reads the leases and the queue together; changes neither."""

    __slots__ = ("_holdings", "_queue")

    def __init__(self, holdings: Holdings, queue: WaitQueue) -> None:
        self._holdings = holdings
        self._queue = queue

    def ahead(
        self, holder: str, wants: Sequence[Want], priority: int, conflicts: tuple[Lease, ...]
    ) -> dict[int, Queued]:
        """Return the waiters that a request must not overtake, each by the claim that conflicts.

        `conflicts` are leases that it has to wait for, if there are any.
        """
        rivals = self._queue.rivals(holder, wants)
        if not rivals:
            return rivals
        # Nobody can wait for a holder that has nothing and stands in no queue.
        is_known = holder in self._holdings or bool(self._queue.of(holder))
        ahead: dict[int, Queued] = {}
        lower: dict[int, Queued] = {}
        for waiter_id, claim in rivals.items():
            if self._queue.waiters[waiter_id].priority < priority:
                lower[waiter_id] = claim
            elif not is_known or wait_graph.path(claim.holder, holder, self._waits_for) is None:
                ahead[waiter_id] = claim
        if lower and (is_known or ahead or conflicts):
            # Whoever this request has to wait for anyway cannot be overtaken by it.
            starts = {holder, *(claim.holder for claim in ahead.values())}
            if conflicts:
                starts |= self._in_the_way(holder, wants)
            awaited = wait_graph.reach(starts, self._waits_for)
            ahead |= {waiter_id: claim for waiter_id, claim in lower.items() if claim.holder in awaited}
        return ahead

    def circle(self, holder: str, wants: Sequence[Want]) -> tuple[str, ...] | None:
        """Return who would wait for whom for ever if `holder` waited for `wants`, itself first; None if nobody."""
        for other in self._in_the_way(holder, wants):
            way = wait_graph.path(other, holder, self._waits_for)
            if way is not None:
                return (holder, *way[:-1])
        return None

    def _in_the_way(self, holder: str, wants: Sequence[Want]) -> set[str]:
        """Return the holders of all leases that conflict with `wants`."""
        index = self._holdings.index
        return {lease.holder for want in wants for lease in index.conflicts(holder, want.scope, want.mode)}

    def _waits_for(self, holder: str) -> set[str]:
        """Return the holders that some wait of `holder` needs to let go, or to go first."""
        others: set[str] = set()
        for waiter in self._queue.of(holder):
            others |= self._in_the_way(holder, waiter.wants)
            others.update(self._queue.waiters[waiter_id].holder for waiter_id in waiter.behind)
        return others
