"""The broker: grants, queues and ends leases; synchronous, so a check and its grant are one step.

It has no clock: every method that depends on time is handed `now`, in seconds of one steady clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.core.leases.contention import Contention
from supervisor.core.leases.holdings import Holdings
from supervisor.core.leases.lease import (
    Admission,
    Answer,
    Conflict,
    Granted,
    Lease,
    Mode,
    Refused,
    TimedOut,
    Waiting,
    Want,
    Woken,
    WouldDeadlock,
)
from supervisor.core.leases.precedence import Precedence
from supervisor.core.leases.waiting import Waiter, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from supervisor.core.leases.fencing import Tokens
    from supervisor.core.leases.scope import Scope


# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_EXCLUSIVE = Mode.EXCLUSIVE


class Broker:
    """The only grantor of leases.

    `tokens` numbers the grants. `folding` names the repositories whose file system ignores case, so
    that a path handed to `admits` is compared as their scopes are.
    """

    def __init__(self, tokens: Tokens, *, folding: Iterable[str] = ()) -> None:
        self._tokens = tokens
        self._holdings = Holdings(folding)
        self._index = self._holdings.index
        self._queue = WaitQueue()
        self._precedence = Precedence(self._holdings, self._queue)
        self._contention = Contention(self._holdings, self._queue)
        # Waiters that were free to go when the tokens had run out.
        self._unnumbered: set[int] = set()

    def __len__(self) -> int:
        return len(self._holdings)

    def acquire(
        self, holder: str, wants: Sequence[Want], now: float, *, wait: float = 0.0, priority: int = 0
    ) -> Answer:
        """Grant all of `wants` or none; what `holder` has already is not granted twice.

        With `wait` (seconds) a request that cannot be granted joins the queue, unless it would wait
        for somebody who waits for it. A higher `priority` goes first.

        Raises:
            TokensExhausted: the grant is due but cannot be numbered; nothing has changed.
        """
        if len(wants) == 1 and not self._queue.waiters:
            want = wants[0]
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None:
                token = self._tokens.take()
                return Granted((self._holdings.put(holder, want.scope, want.mode, token, now),))
        conflicts, is_missing = self._examine(holder, wants)
        if not is_missing:
            return Granted(self._covering(holder, wants))
        ahead = self._precedence.ahead(holder, wants, priority, conflicts) if self._queue.waiters else {}
        if not conflicts and not ahead:
            return Granted(self._grant(holder, wants, now))
        reasons: tuple[Conflict, ...] = (*conflicts, *ahead.values())
        if wait <= 0:
            return Refused(reasons)
        circle = self._precedence.circle(holder, wants)
        if circle is not None:
            return WouldDeadlock(circle, reasons)
        waiter = self._queue.add(
            holder, tuple(wants), priority, asked_at=now, deadline=now + wait, ahead=set(ahead)
        )
        self._contention.met(waiter)
        return _shown(waiter, reasons)

    def acquire_one(self, holder: str, scope: Scope, now: float) -> Lease | None:
        """Grant one exclusive scope as `acquire` would, in half the time; None where that would not grant it.

        Raises:
            TokensExhausted: the grant is due but cannot be numbered; nothing has changed.
        """
        if self._queue.waiters:
            answer = self.acquire(holder, (Want(scope),), now)
            return answer.leases[0] if isinstance(answer, Granted) else None
        claim = self._index.decisive(holder, scope, _EXCLUSIVE)
        if claim is None:
            return self._holdings.put(holder, scope, _EXCLUSIVE, self._tokens.take(), now)
        return claim if claim.holder == holder else None

    def first_conflict(self, holder: str, wants: Sequence[Want], *, priority: int = 0) -> Conflict | None:
        """Return the first thing that would keep `acquire` from granting now, or None; changes nothing."""
        is_missing = False
        for want in wants:
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None:
                is_missing = True
            elif claim.holder != holder:
                return claim
        if is_missing and self._queue.waiters:
            return next(iter(self._precedence.ahead(holder, wants, priority, ()).values()), None)
        return None

    def _examine(self, holder: str, wants: Sequence[Want]) -> tuple[tuple[Lease, ...], bool]:
        """Return the first lease in the way of each want, and whether something is not yet held."""
        conflicts: dict[int, Lease] = {}
        is_missing = False
        for want in wants:
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None or claim.holder != holder:
                is_missing = True
                if claim is not None:
                    conflicts[claim.token] = claim
        return tuple(conflicts.values()), is_missing

    def _grant(self, holder: str, wants: Sequence[Want], now: float) -> tuple[Lease, ...]:
        self._tokens.demand(len(wants))
        # Exclusive ones first: a shared want inside of one is then held already.
        for want in sorted(wants, key=lambda want: want.mode is Mode.SHARED):
            if self._index.decisive(holder, want.scope, want.mode) is None:
                self._put(holder, want.scope, want.mode, now)
        return self._covering(holder, wants)

    def _put(self, holder: str, scope: Scope, mode: Mode, now: float) -> Lease:
        lease = self._holdings.put(holder, scope, mode, self._tokens.take(), now)
        if self._queue.waiters:
            self._contention.granted(lease)
        return lease

    def _covering(self, holder: str, wants: Sequence[Want]) -> tuple[Lease, ...]:
        """Return for each of `wants`, all held, the lease that covers it."""
        claims = (self._index.decisive(holder, want.scope, want.mode) for want in wants)
        return tuple(claim for claim in claims if claim is not None)

    def restore(self, holder: str, leases: Iterable[Lease]) -> Lease | None:
        """Take up again what a living worker holds, tokens and ages unchanged; all of it or nothing.

        Returns None when done, or the lease of another holder that forbids it. Meant for the time
        before new grants, when nobody waits yet.
        """
        mine = tuple(leases)
        for conflict in self.in_the_way(holder, mine):
            return conflict
        for lease in sorted(mine, key=lambda lease: (lease.mode is Mode.SHARED, lease.token)):
            self._tokens.witness(lease.token)
            if self._index.decisive(holder, lease.scope, lease.mode) is None:
                self._holdings.put(holder, lease.scope, lease.mode, lease.token, lease.granted_at)
        self._holdings.forget_ends()
        return None

    def in_the_way(self, holder: str, leases: Iterable[Lease]) -> Iterator[Lease]:
        """Yield the leases of others that forbid `holder` to have these, one for each reason."""
        for lease in leases:
            yield from self._index.conflicts(holder, lease.scope, lease.mode)

    def release(self, holder: str, scopes: Iterable[Scope] | None, now: float) -> tuple[Woken, ...]:
        """End the holder's leases on exactly these `scopes`, or all of them for None; return who was woken.

        Scopes that are not held are passed over: the holder wanted them gone.
        """
        ended = self._holdings.release(holder, scopes)
        return self._wake_after(ended, now) if self._queue.waiters else ()

    def exchange(
        self, holder: str, scopes: Iterable[Scope], wants: Sequence[Want], now: float
    ) -> tuple[tuple[Lease, ...], tuple[Woken, ...]]:
        """End the holder's leases on exactly these `scopes` and grant it `wants` before anybody else is woken.

        What others hold of `wants` is left out, and all of them when the tokens do not suffice: they were
        covered by what ends. Return the leases that cover the wants, and who was woken.
        """
        ended = self._holdings.release(holder, scopes)
        kept: list[Lease] = []
        for want in wants if self._tokens.left >= len(wants) else ():
            claim = self._index.decisive(holder, want.scope, want.mode)
            if claim is None:
                claim = self._put(holder, want.scope, want.mode, now)
            if claim.holder == holder:
                kept.append(claim)
        return tuple(kept), self._wake_after(ended, now) if self._queue.waiters else ()

    def renumber(self, token: int, now: float) -> tuple[Lease | None, tuple[Woken, ...]]:
        """Let a lease go on under a new token, also inside another one of its holder, which may end before it.

        Return it, and who was woken: where the tokens do not suffice, it ends.
        """
        lease = self._holdings.lease(token)
        if lease is None:
            return None, ()
        ended = self._holdings.release(lease.holder, [lease.scope])
        if self._tokens.left:
            return self._put(lease.holder, lease.scope, lease.mode, now), ()
        return None, self._wake_after(ended, now) if self._queue.waiters else ()

    def expire(self, token: int, now: float) -> tuple[Woken, ...]:
        """End the lease with this token for its idleness; return who was woken.

        The token is stale from now on, and the gate will say so. A lease that has ended already is
        passed over.
        """
        ended = self._holdings.take_away(token)
        return self._wake_after([ended], now) if ended is not None and self._queue.waiters else ()

    def bequeath(self, holder: str, heir: str, scopes: Iterable[Scope], now: float) -> tuple[Woken, ...]:
        """Drop all that is known of `holder`, whose session is gone; return who was woken thereby.

        These scopes go to `heir`, ahead of everybody who waits.
        A scope that somebody else holds as well is passed over, and so is one that cannot be numbered.
        """
        followers: set[int] = set()
        for waiter in self._queue.of(holder):
            followers |= self._leave(waiter)
        ended = self._holdings.forget(holder)
        for scope in scopes:
            if self._tokens.left and self._index.decisive(heir, scope, Mode.EXCLUSIVE) is None:
                self._put(heir, scope, Mode.EXCLUSIVE, now)
        return self._wake_after(ended, now, followers) if self._queue.waiters else ()

    def cancel(self, waiter_id: int, now: float) -> tuple[Woken, ...]:
        """Take a waiter out of the queue, if it still waits; return who was woken thereby."""
        waiter = self._queue.waiters.get(waiter_id)
        return () if waiter is None else self._wake(self._leave(waiter), now)

    def due(self, now: float) -> tuple[Woken | TimedOut, ...]:
        """Return the waiters whose time is over, and then those who can go on because of it."""
        results: list[Woken | TimedOut] = []
        followers = set(self._unnumbered)
        for waiter in self._queue.overdue(now):
            results.append(TimedOut(waiter.id, waiter.holder, self._reasons(waiter)))
            followers |= self._leave(waiter)
        results.extend(self._wake(followers, now))
        return tuple(results)

    def _leave(self, waiter: Waiter) -> set[int]:
        self._unnumbered.discard(waiter.id)
        return self._queue.remove(waiter)

    def _wake_after(self, ended: list[Lease], now: float, followers: Iterable[int] = ()) -> tuple[Woken, ...]:
        return self._wake(self._queue.interested([lease.scope for lease in ended]).union(followers), now)

    def _wake(self, candidates: Iterable[int], now: float) -> tuple[Woken, ...]:
        """Grant to those who can go on; whoever stood behind them has a lease in the way now."""
        granted: list[Waiter] = []
        newest = self._tokens.last
        for waiter in self._queue.ordered(candidates):
            if waiter.behind or self._examine(waiter.holder, waiter.wants)[0]:
                continue
            if self._tokens.left < len(waiter.wants):
                self._unnumbered.add(waiter.id)
                continue
            self._leave(waiter)
            self._grant(waiter.holder, waiter.wants, now)
            granted.append(waiter)
        # Told last: of two waiters of one holder the second may have raised the lease of the first.
        woken: list[Woken] = []
        for waiter in granted:
            leases = self._covering(waiter.holder, waiter.wants)
            fresh = tuple(lease for lease in dict.fromkeys(leases) if lease.token > newest)
            woken.append(Woken(waiter.id, waiter.holder, leases, fresh))
        return tuple(woken)

    def _reasons(self, waiter: Waiter) -> tuple[Conflict, ...]:
        conflicts, _ = self._examine(waiter.holder, waiter.wants)
        return (*conflicts, *self._queue.firsts(waiter))

    def raised(self) -> tuple[Lease, ...]:
        """Return the shared leases that gave way to exclusive ones of their holder since this was last asked."""
        return self._holdings.take_raised() if self._holdings.raised else ()

    @property
    def last_token(self) -> int:
        """Return the highest token that was given so far."""
        return self._tokens.last

    def lease(self, token: int) -> Lease | None:
        """Return the lease with this token, or None when it has ended."""
        return self._holdings.lease(token)

    def held(self, holder: str) -> tuple[Lease, ...]:
        """Return the leases of `holder`, oldest first."""
        return self._holdings.of(holder)

    def since(self, holder: str, token: int) -> tuple[Lease, ...]:
        """Return the leases of `holder` that were granted after the one with this token, oldest first."""
        return self._holdings.since(holder, token)

    def who(self, scope: Scope) -> tuple[Lease, ...]:
        """Return every lease that overlaps `scope`."""
        return tuple(self._index.overlapping(scope))

    def leases(self) -> Iterator[Lease]:
        """Yield every lease, oldest token first but for restored ones."""
        return self._holdings.all()

    def waiting(self) -> tuple[Waiting, ...]:
        """Return the queue by priority, then by arrival, each with what stands in its way now."""
        return tuple(
            _shown(waiter, self._reasons(waiter)) for waiter in self._queue.ordered(self._queue.waiters)
        )

    def admits(self, holder: str, repo: str, path: str) -> Admission:
        """Return whether a commit of `holder` may contain `path`: Held, Free, HeldByOther or Lapsed."""
        return self._holdings.admits(holder, repo, path)

    def ended_since(self, token: int, holder: str, repo: str, path: str) -> str | None:
        """Return who else had an exclusive lease over a path that has ended since this token was given: see `Ended`."""
        return self._holdings.ended_since(token, holder, repo, path)

    def touch(self, holder: str, now: float) -> None:
        """Note a sign of work by `holder`."""
        self._holdings.touch(holder, now)

    def idle(self, now: float, ttl: float) -> tuple[Lease, ...]:
        """Return the leases that somebody waits for and whose holder has shown no work for `ttl` seconds."""
        return tuple(self._contention.idle(now - ttl))

    def deadline(self, ttl: float) -> float | None:
        """Return the earliest `now` at which `due` or `idle` may have something to say, or None.

        After `idle` has named a lease, expire it or touch it: until then the answer stays in the past.
        """
        since = self._contention.idle_since()
        limit = self._queue.next_deadline()
        if since is None:
            return limit
        return since + ttl if limit is None else min(limit, since + ttl)


def _shown(waiter: Waiter, reasons: tuple[Conflict, ...]) -> Waiting:
    return Waiting(
        waiter.id, waiter.holder, waiter.wants, waiter.priority, waiter.asked_at, waiter.deadline, reasons
    )
