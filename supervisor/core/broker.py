"""The broker: grants, queues, ends and remembers leases; synchronous, so a check and its grant are one step.

It has no clock: every method that depends on time is handed `now`, in seconds of one steady clock.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from supervisor.core import wait_graph
from supervisor.core.lapsed import Losses
from supervisor.core.lease import (
    Admission,
    Answer,
    Conflict,
    Free,
    Granted,
    Held,
    HeldByOther,
    Lapsed,
    Lease,
    Mode,
    Queued,
    Refused,
    TimedOut,
    Waiting,
    Want,
    Woken,
    WouldDeadlock,
)
from supervisor.core.lease_index import LeaseIndex
from supervisor.core.scope import Kind, Scope, covers_key, path_key
from supervisor.core.waiting import Waiter, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.fencing import Tokens


class _Holder:
    """What is known of one session: its leases by token, its last sign of work, and what it lost."""

    __slots__ = ("active_at", "leases", "losses", "touched")

    def __init__(self) -> None:
        self.leases: dict[int, Lease] = {}
        self.active_at = float("-inf")
        self.touched: dict[int, float] = {}
        self.losses: Losses | None = None


class Broker:
    """The only grantor of leases.

    `tokens` numbers the grants. `folding` names the repositories whose file system ignores case, so
    that a path handed to `admits` or `touch` is compared as their scopes are.
    """

    def __init__(self, tokens: Tokens, *, folding: Iterable[str] = ()) -> None:
        self._tokens = tokens
        self._folding = frozenset(folding)
        self._index: LeaseIndex[Lease] = LeaseIndex()
        self._holders: dict[str, _Holder] = {}
        self._queue = WaitQueue()
        # Every lease that somebody waits for is in here, by the activity last seen of it.
        self._contended: list[tuple[float, int, Lease]] = []
        # Waiters that were free to go when the tokens had run out.
        self._unnumbered: set[int] = set()

    def __len__(self) -> int:
        return len(self._index)

    # -- asking ------------------------------------------------------------------------------

    def acquire(
        self, holder: str, wants: tuple[Want, ...], now: float, *, wait: float = 0.0, priority: int = 0
    ) -> Answer:
        """Grant all of `wants` or none; what `holder` has already is not granted twice.

        With `wait` (seconds) a request that cannot be granted joins the queue, unless it would wait
        for somebody who waits for it. A higher `priority` goes first.

        Raises:
            TokensExhausted: the grant is due but cannot be numbered; nothing has changed.
        """
        conflicts, missing = self._examine(holder, wants)
        ahead: dict[int, Queued] = {}
        if missing and self._queue:
            ahead = self._ahead(holder, wants, priority, conflicts)
        if not conflicts and not ahead:
            return Granted(self._grant(holder, wants, now) if missing else self._leases(holder, wants))
        reasons = (*conflicts, *ahead.values())
        if wait <= 0:
            return Refused(reasons)
        for conflict in self._hard(holder, wants):
            cycle = wait_graph.path(conflict, holder, self._waits_for)
            if cycle is not None:
                return WouldDeadlock((holder, *cycle[:-1]), reasons)
        waiter = self._queue.add(holder, wants, priority, now, now + wait, set(ahead))
        self._note_contention(waiter)
        return Waiting(waiter.id, holder, wants, priority, now, waiter.deadline, reasons)

    def first_conflict(self, holder: str, wants: tuple[Want, ...], *, priority: int = 0) -> Conflict | None:
        """Return the first thing that would keep `acquire` from granting now, or None; changes nothing."""
        missing = False
        for want in wants:
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None:
                missing = True
            elif claim.holder != holder:
                return claim
        if missing and self._queue:
            return next(iter(self._ahead(holder, wants, priority, ()).values()), None)
        return None

    def _examine(self, holder: str, wants: tuple[Want, ...]) -> tuple[tuple[Lease, ...], bool]:
        """Return the first lease in the way of each want, and whether something is not yet held."""
        conflicts: list[Lease] = []
        missing = False
        for want in wants:
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None:
                missing = True
            elif claim.holder != holder:
                missing = True
                if claim not in conflicts:
                    conflicts.append(claim)
        return tuple(conflicts), missing

    def _ahead(
        self, holder: str, wants: tuple[Want, ...], priority: int, conflicts: tuple[Lease, ...]
    ) -> dict[int, Queued]:
        """Return the waiters that a request must not overtake, each by the claim that conflicts."""
        rivals = self._queue.rivals(holder, wants)
        if not rivals:
            return rivals
        known = holder in self._holders or bool(self._queue.of(holder))
        ahead: dict[int, Queued] = {}
        behind: dict[int, Queued] = {}
        for waiter_id, claim in rivals.items():
            rival = self._queue.get(waiter_id)
            if rival is None or rival.priority < priority:
                behind[waiter_id] = claim
            elif not known or wait_graph.path(claim.holder, holder, self._waits_for) is None:
                ahead[waiter_id] = claim
        if behind and (known or ahead or conflicts):
            starts = {holder, *(claim.holder for claim in ahead.values())}
            if conflicts:
                starts |= self._hard(holder, wants)
            # Whoever this request will wait for anyway cannot be overtaken by it.
            awaited = wait_graph.reach(starts, self._waits_for)
            ahead |= {waiter_id: claim for waiter_id, claim in behind.items() if claim.holder in awaited}
        return ahead

    def _hard(self, holder: str, wants: tuple[Want, ...]) -> set[str]:
        """Return the holders of all leases in the way of `wants`."""
        return {
            lease.holder for want in wants for lease in self._index.conflicts(holder, want.scope, want.mode)
        }

    def _waits_for(self, holder: str) -> set[str]:
        """Return the holders that some wait of `holder` needs to let go, or to go first."""
        others: set[str] = set()
        for waiter in self._queue.of(holder):
            others |= self._hard(holder, waiter.wants)
            for waiter_id in waiter.behind:
                first = self._queue.get(waiter_id)
                if first is not None:
                    others.add(first.holder)
        return others

    # -- granting ----------------------------------------------------------------------------

    def _grant(self, holder: str, wants: tuple[Want, ...], now: float) -> tuple[Lease, ...]:
        if len(wants) > 1:
            return self._grant_set(holder, wants, now)
        want = wants[0]
        return (self._grant_one(holder, want.scope, want.mode, self._tokens.take(), now),)

    def _grant_set(self, holder: str, wants: tuple[Want, ...], now: float) -> tuple[Lease, ...]:
        if self._tokens.left < len(wants):
            while True:
                self._tokens.take()
        # Exclusive ones first: a shared want inside of one is then held already.
        for want in sorted(wants, key=lambda want: want.mode is Mode.SHARED):
            if self._index.decisive(holder, want.scope, want.mode) is None:
                self._grant_one(holder, want.scope, want.mode, self._tokens.take(), now)
        return self._leases(holder, wants)

    def _leases(self, holder: str, wants: tuple[Want, ...]) -> tuple[Lease, ...]:
        """Return for each want, all of which are held, the lease that covers it."""
        claims = (self._index.decisive(holder, want.scope, want.mode) for want in wants)
        return tuple(claim for claim in claims if claim is not None)

    def _grant_one(self, holder: str, scope: Scope, mode: Mode, token: int, now: float) -> Lease:
        record = self._holders.get(holder)
        if record is None:
            record = self._holders[holder] = _Holder()
        elif mode is Mode.EXCLUSIVE and record.leases:
            shared = self._index.exactly(holder, scope)
            if shared is not None:
                self._drop(shared)
        lease = Lease(holder, scope, mode, token, now)
        record.leases[token] = lease
        self._index.add(lease)
        if record.losses is not None:
            record.losses.granted(lease)
        if self._queue and self._queue.wanted(holder, Want(scope, mode)):
            heapq.heappush(self._contended, (now, token, lease))
        return lease

    def _drop(self, lease: Lease) -> None:
        self._index.remove(lease)
        record = self._holders[lease.holder]
        del record.leases[lease.token]
        record.touched.pop(lease.token, None)

    def restore(self, holder: str, leases: Iterable[Lease]) -> Lease | None:
        """Take up again what a living worker holds, tokens unchanged; all of it or nothing.

        Returns None when done, or the lease of another holder that forbids it. Meant for the time
        before new grants, when nobody waits yet.
        """
        mine = tuple(leases)
        for lease in mine:
            conflict = next(self._index.conflicts(holder, lease.scope, lease.mode), None)
            if conflict is not None:
                return conflict
        record = self._holders.setdefault(holder, _Holder())
        for lease in mine:
            self._tokens.witness(lease.token)
            same = self._index.exactly(holder, lease.scope)
            if same is not None:
                self._drop(same)
            record.leases[lease.token] = lease
            self._index.add(lease)
        return None

    # -- ending ------------------------------------------------------------------------------

    def release(self, holder: str, scopes: Iterable[Scope] | None, now: float) -> tuple[Woken, ...]:
        """End the holder's leases on exactly these `scopes`, or all of them for None; return who was woken.

        Scopes that are not held are passed over: the holder wanted them gone.
        """
        record = self._holders.get(holder)
        if record is None:
            return ()
        if scopes is None:
            ended = list(record.leases.values())
        else:
            found = (self._index.exactly(holder, scope) for scope in scopes)
            ended = [lease for lease in dict.fromkeys(found) if lease is not None]
        for lease in ended:
            self._drop(lease)
        if not record.leases and record.losses is None:
            del self._holders[holder]
        return self._wake_for(ended, now)

    def expire(self, token: int, now: float) -> tuple[Woken, ...]:
        """End the lease with this token for its idleness; its holder's token is stale from now on."""
        return self._take_away(token, now)

    def revoke(self, token: int, now: float) -> tuple[Woken, ...]:
        """End the lease with this token by an operator's or the supervisor's decision; as `expire`."""
        return self._take_away(token, now)

    def _take_away(self, token: int, now: float) -> tuple[Woken, ...]:
        for record in self._holders.values():
            lease = record.leases.get(token)
            if lease is not None:
                self._drop(lease)
                if record.losses is None:
                    record.losses = Losses()
                record.losses.add(lease)
                return self._wake_for([lease], now)
        return ()

    def forget(self, holder: str, now: float) -> tuple[Woken, ...]:
        """Drop all that is known of `holder`, whose session is gone; return who was woken thereby."""
        followers: set[int] = set()
        for waiter in self._queue.of(holder):
            followers |= self._leave(waiter)
        record = self._holders.pop(holder, None)
        ended = list(record.leases.values()) if record is not None else []
        for lease in ended:
            self._index.remove(lease)
        return self._wake_for(ended, now, followers)

    # -- waiting -----------------------------------------------------------------------------

    def cancel(self, waiter_id: int, now: float) -> tuple[Woken, ...]:
        """Take a waiter out of the queue; return who was woken thereby."""
        waiter = self._queue.get(waiter_id)
        return () if waiter is None else self._wake(self._queue.ordered(self._leave(waiter)), now)

    def due(self, now: float) -> tuple[Woken | TimedOut, ...]:
        """Return the waiters whose time is over, and then those who can go on because of it."""
        results: list[Woken | TimedOut] = []
        followers = set(self._unnumbered)
        for waiter in self._queue.overdue(now):
            conflicts, _ = self._examine(waiter.holder, waiter.wants)
            firsts = self._queue.ordered(waiter.behind)
            queued = tuple(first.claims[0] for first in firsts)
            results.append(TimedOut(waiter.id, waiter.holder, (*conflicts, *queued)))
            followers |= self._leave(waiter)
        results.extend(self._wake(self._queue.ordered(followers), now))
        return tuple(results)

    def _leave(self, waiter: Waiter) -> set[int]:
        self._unnumbered.discard(waiter.id)
        return self._queue.remove(waiter)

    def _wake_for(self, ended: list[Lease], now: float, followers: Iterable[int] = ()) -> tuple[Woken, ...]:
        if not self._queue:
            self._contended.clear()
            return ()
        interested = self._queue.interested(tuple(lease.scope for lease in ended))
        ids = {waiter.id for waiter in interested}.union(followers)
        return self._wake(self._queue.ordered(ids), now)

    def _wake(self, candidates: list[Waiter], now: float) -> tuple[Woken, ...]:
        """Grant to those who can go on; one grant never frees the way for another."""
        woken: list[Woken] = []
        for waiter in candidates:
            if waiter.behind:
                continue
            conflicts, _ = self._examine(waiter.holder, waiter.wants)
            if conflicts:
                continue
            if self._tokens.left < len(waiter.wants):
                self._unnumbered.add(waiter.id)
                continue
            self._leave(waiter)
            woken.append(Woken(waiter.id, waiter.holder, self._grant_set(waiter.holder, waiter.wants, now)))
        return tuple(woken)

    # -- looking -----------------------------------------------------------------------------

    def held(self, holder: str) -> tuple[Lease, ...]:
        """Return the leases of `holder`, oldest first."""
        record = self._holders.get(holder)
        return () if record is None else tuple(record.leases.values())

    def who(self, scope: Scope) -> tuple[Lease, ...]:
        """Return every lease that overlaps `scope`."""
        return tuple(self._index.overlapping(scope))

    def leases(self) -> Iterator[Lease]:
        """Yield every lease, holder by holder."""
        for record in self._holders.values():
            yield from record.leases.values()

    def waiting(self) -> tuple[Waiting, ...]:
        """Return the queue in order of priority, then of arrival, each with what stands in its way now."""
        shown: list[Waiting] = []
        for waiter in self._queue.ordered({waiter.id for waiter in self._queue}):
            conflicts, _ = self._examine(waiter.holder, waiter.wants)
            queued = tuple(first.claims[0] for first in self._queue.ordered(waiter.behind))
            asked_at = waiter.claims[0].asked_at
            shown.append(
                Waiting(
                    waiter.id,
                    waiter.holder,
                    waiter.wants,
                    waiter.priority,
                    asked_at,
                    waiter.deadline,
                    (*conflicts, *queued),
                )
            )
        return tuple(shown)

    def admits(self, holder: str, repo: str, path: str) -> Admission:
        """Return whether a commit of `holder` may contain `path`; for the gate."""
        key = path_key(path, fold_case=repo in self._folding)
        mine: Lease | None = None
        other: Lease | None = None
        for lease in self._index.upwards(Scope(Kind.FILE, repo, path, key)):
            if covers_key(lease.scope, key):
                if lease.holder != holder:
                    other = lease
                elif mine is None or lease.mode is Mode.EXCLUSIVE:
                    mine = lease
        if mine is not None:
            return Held(mine)
        record = self._holders.get(holder)
        token = record.losses.token(repo, key) if record is not None and record.losses is not None else None
        if token is not None:
            return Lapsed(token, other)
        return Free() if other is None else HeldByOther(other)

    # -- idleness ----------------------------------------------------------------------------

    def touch(self, holder: str, now: float, repo: str = "", path: str | None = None) -> None:
        """Note a sign of work by `holder`: for all its leases, or for those over `path` in `repo` only."""
        record = self._holders.get(holder)
        if record is None:
            return
        if path is None:
            record.active_at = max(record.active_at, now)
            return
        key = path_key(path, fold_case=repo in self._folding)
        for lease in self._index.upwards(Scope(Kind.FILE, repo, path, key)):
            if lease.holder == holder and covers_key(lease.scope, key):
                record.touched[lease.token] = max(record.touched.get(lease.token, now), now)

    def active_at(self, lease: Lease) -> float:
        """Return when the holder last showed work under `lease`: its grant, or the latest touch."""
        record = self._holders.get(lease.holder)
        if record is None:
            return lease.granted_at
        return max(lease.granted_at, record.active_at, record.touched.get(lease.token, lease.granted_at))

    def idle(self, now: float, ttl: float) -> tuple[Lease, ...]:
        """Return the leases that somebody waits for and whose holder has shown no work for `ttl` seconds."""
        found: list[Lease] = []
        while (top := self._longest_idle()) is not None and top[0] + ttl <= now:
            heapq.heappop(self._contended)
            found.append(top[2])
        found = list(dict.fromkeys(found))
        for lease in found:
            heapq.heappush(self._contended, (self.active_at(lease), lease.token, lease))
        return tuple(found)

    def deadline(self, ttl: float) -> float | None:
        """Return the earliest `now` at which `due` or `idle` may have something to say, or None.

        After `idle` has named a lease, expire it or touch it: until then the answer stays in the past.
        """
        top = self._longest_idle()
        limit = self._queue.next_deadline()
        if top is None:
            return limit
        return top[0] + ttl if limit is None else min(limit, top[0] + ttl)

    def _note_contention(self, waiter: Waiter) -> None:
        for want in waiter.wants:
            for lease in self._index.conflicts(waiter.holder, want.scope, want.mode):
                heapq.heappush(self._contended, (self.active_at(lease), lease.token, lease))

    def _longest_idle(self) -> tuple[float, int, Lease] | None:
        """Return the contended lease with the oldest activity; entries that are out of date are put right."""
        contended = self._contended
        while contended:
            seen_at, token, lease = contended[0]
            record = self._holders.get(lease.holder)
            if (
                record is None
                or token not in record.leases
                or not self._queue.wanted(lease.holder, Want(lease.scope, lease.mode))
            ):
                heapq.heappop(contended)
                continue
            active_at = self.active_at(lease)
            if active_at == seen_at:
                return contended[0]
            heapq.heapreplace(contended, (active_at, token, lease))
        return None
