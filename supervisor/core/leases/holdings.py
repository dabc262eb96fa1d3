"""Who holds what: the leases by scope, by token and by holder, and each holder's last sign of work."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from supervisor.core.leases.ended import Ended
from supervisor.core.leases.lapsed import Losses
from supervisor.core.leases.lease import Admission, Free, Held, HeldByOther, Lapsed, Lease, Mode
from supervisor.core.leases.lease_index import LeaseIndex
from supervisor.core.leases.scope import Kind, Scope, covers_key, path_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FILE, _RESOURCE, _EXCLUSIVE = Kind.FILE, Kind.RESOURCE, Mode.EXCLUSIVE
_NEVER = float("-inf")
# Half the time of the named tuple's own constructor, which would be a function call more.
_new = tuple.__new__


class _Record:
    """One holder: its leases by token, when it last worked, and what it lost.

    `tokens` is an array, eight bytes a lease, in which ended ones stay until they are the majority.
    """

    __slots__ = ("active_at", "live", "losses", "name", "shared", "tokens")

    def __init__(self, name: str) -> None:
        self.name = name
        self.tokens = array("q")
        self.live = 0  # leases that have not ended
        self.shared = 0  # how many of them are shared; only such a one can be raised to exclusive
        self.active_at = _NEVER
        self.losses: Losses | None = None


class Holdings:
    """The table of leases; it grants whatever it is told to, the broker decides.

    `folding` names the repositories whose file system ignores case. `raised` are leases that ended because their holder
    got the same scope in a higher mode: the one way to end of which no answer tells.
    """

    __slots__ = ("_ended", "_folding", "_leases", "_newest", "_records", "index", "raised")

    def __init__(self, folding: Iterable[str]) -> None:
        self.index: LeaseIndex[Lease] = LeaseIndex()
        self._folding = frozenset(folding)
        self._leases: dict[int, Lease] = {}
        self._records: dict[str, _Record] = {}
        self._ended = Ended()
        self._newest = 0  # the highest token
        self.raised: list[Lease] = []

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, holder: str) -> bool:
        return holder in self._records

    def lease(self, token: int) -> Lease | None:
        """Return the lease with this token, or None when it has ended."""
        return self._leases.get(token)

    def all(self) -> Iterator[Lease]:
        """Yield every lease."""
        yield from self._leases.values()

    def of(self, holder: str) -> tuple[Lease, ...]:
        """Return the leases of `holder` in the order of their granting."""
        record = self._records.get(holder)
        if record is None:
            return ()
        found = map(self._leases.get, record.tokens)
        return tuple(lease for lease in found if lease is not None)

    def since(self, holder: str, token: int) -> tuple[Lease, ...]:
        """Return the leases of `holder` with a token above this one, in the order of their granting."""
        record = self._records.get(holder)
        found: list[Lease] = []
        for newer in reversed(record.tokens) if record is not None else ():
            if newer <= token:
                break
            if (lease := self._leases.get(newer)) is not None:
                found.append(lease)
        return tuple(reversed(found))

    def put(self, holder: str, scope: Scope, mode: Mode, token: int, now: float) -> Lease:
        """Enter a lease; one that the holder has on the very same scope gives way to it."""
        record = self._records.get(holder)
        if record is None:
            record = self._records[holder] = _Record(holder)
        elif record.shared and mode is _EXCLUSIVE:
            lesser = self.index.take(holder, scope)
            if lesser is not None:
                self._strike(record, lesser)
                self.raised.append(lesser)
        # The record's own name is used, so that a million leases do not keep a million copies of it.
        lease = _new(Lease, (record.name, scope, mode, token, now))
        self._leases[token] = lease
        self._newest = max(self._newest, token)
        if scope.kind is _RESOURCE:
            self._ended.began(lease)
        record.tokens.append(token)
        record.live += 1
        self.index.add(lease)
        if mode is not _EXCLUSIVE:
            record.shared += 1
        if record.losses is not None:
            record.losses.granted(lease)
        return lease

    def take_raised(self) -> tuple[Lease, ...]:
        """Return the leases that gave way to a higher mode, and forget them."""
        taken, self.raised = self.raised, []
        return tuple(taken)

    def release(self, holder: str, scopes: Iterable[Scope] | None) -> list[Lease]:
        """End the holder's leases on exactly these scopes, or all for None; return those that were held."""
        record = self._records.get(holder)
        if record is None:
            return []
        ended: list[Lease] = []
        for scope in [lease.scope for lease in self.of(holder)] if scopes is None else scopes:
            lease = self.index.take(holder, scope)
            if lease is not None:
                self._strike(record, lease)
                ended.append(lease)
        if not record.live:
            record.tokens = array("q")  # what is restored later must not be in it twice
            if record.losses is None:
                del self._records[holder]
        return ended

    def take_away(self, token: int) -> Lease | None:
        """End the lease with this token against its holder's will, and remember that; None if it has ended."""
        lease = self._leases.get(token)
        if lease is None:
            return None
        record = self._records[lease.holder]
        self.index.remove(lease)
        self._strike(record, lease)
        if record.losses is None:
            record.losses = Losses()
        record.losses.add(lease)
        return lease

    def forget(self, holder: str) -> list[Lease]:
        """Drop the holder and all that is known of it; return the leases that it had."""
        ended = self.release(holder, None)
        self._records.pop(holder, None)
        return ended

    def _strike(self, record: _Record, lease: Lease) -> None:
        """Take `lease`, which is no longer in the index, off the record."""
        token = lease.token
        del self._leases[token]
        self._ended.add(lease, self._newest)
        record.live -= 1
        tokens = record.tokens
        if tokens[-1] == token:
            tokens.pop()
        elif len(tokens) > 2 * record.live + 16:
            record.tokens = array("q", (kept for kept in tokens if kept in self._leases))
        if lease.mode is not _EXCLUSIVE:
            record.shared -= 1

    def touch(self, holder: str, now: float) -> None:
        """Note a sign of work at `now`."""
        record = self._records.get(holder)
        if record is not None:
            record.active_at = max(record.active_at, now)

    def active_at(self, lease: Lease) -> float:
        """Return when its holder last showed work; the grant of the lease itself is such a sign."""
        record = self._records.get(lease.holder)
        return lease.granted_at if record is None else max(lease.granted_at, record.active_at)

    def forget_ends(self) -> None:
        """Count what ended up to now as not remembered."""
        self._ended.forget(self._newest)

    def ended_since(self, token: int, holder: str, repo: str, path: str) -> str | None:
        """Return who else had an exclusive lease over a path that has ended since this token was given: see `Ended`."""
        return self._ended.since(token, holder, repo, path_key(path, fold_case=repo in self._folding))

    def admits(self, holder: str, repo: str, path: str) -> Admission:
        """Return whether a change of `path` by `holder` rests on a lease that it holds now."""
        key = path_key(path, fold_case=repo in self._folding)
        mine: Lease | None = None
        other: Lease | None = None
        for lease in self.index.upwards(Scope(_FILE, repo, path, key)):
            if covers_key(lease.scope, key):
                if lease.holder != holder:
                    other = lease
                elif mine is None or lease.mode is _EXCLUSIVE:
                    mine = lease
        if mine is not None:
            return Held(mine)
        record = self._records.get(holder)
        token = record.losses.token(repo, key) if record is not None and record.losses is not None else None
        if token is not None:
            return Lapsed(token, other)
        return Free() if other is None else HeldByOther(other)
