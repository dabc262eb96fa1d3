"""The broker against a naive model: a list of leases, a list of waiters, and quadratic comparison."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import (
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
from supervisor.core.leases.scope import Scope, contains, covers, overlaps, parse_scopes

TEXTS = (
    "a",
    "a/",
    "a/b",
    "a/b/",
    "a/b/c",
    "a/c",
    "b",
    "./",
    "a/*",
    "*/b",
    "a/**/c",
    "**/c",
    "resource:x",
    "resource:x/y",
)
SCOPES: tuple[Scope, ...] = tuple(scope for text in TEXTS for scope in parse_scopes(text, "app"))
PATHS = tuple("/".join(parts) for depth in (1, 2, 3) for parts in product("abc", repeat=depth))
HOLDERS = ("s1", "s2", "s3", "s4")

holders = st.sampled_from(HOLDERS)
wanted = st.builds(Want, st.sampled_from(SCOPES), st.sampled_from(Mode))
sets = st.lists(wanted, min_size=1, max_size=3).map(tuple)
files = st.lists(st.builds(Want, st.sampled_from(SCOPES[2:6])), min_size=1, max_size=2).map(tuple)
waits = st.sampled_from([5.0, 60.0, float("inf")])
priorities = st.integers(0, 2)


def clash(a_mode: Mode, b_mode: Mode) -> bool:
    return Mode.EXCLUSIVE in (a_mode, b_mode)


class Leases(RuleBasedStateMachine):
    """Every rule compares the broker's answer with what the model says of the state before it."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = Tokens(0)
        self.tokens.reserve(10**6)
        self.broker = Broker(self.tokens)
        self.now = 0.0
        self.newest = 0

    # -- the model -----------------------------------------------------------------------

    def blockers(self, holder: str, wants: tuple[Want, ...]) -> set[str]:
        return {
            lease.holder
            for lease in self.broker.leases()
            for want in wants
            if lease.holder != holder and clash(lease.mode, want.mode) and overlaps(lease.scope, want.scope)
        }

    def rivals(self, holder: str, wants: tuple[Want, ...]) -> list[Waiting]:
        return [
            waiter
            for waiter in self.broker.waiting()
            if waiter.holder != holder
            and any(clash(a.mode, b.mode) and overlaps(a.scope, b.scope) for a in waiter.wants for b in wants)
        ]

    def has(self, holder: str, wants: tuple[Want, ...]) -> bool:
        return all(
            any(
                contains(lease.scope, want.scope)
                and (want.mode is Mode.SHARED or lease.mode is Mode.EXCLUSIVE)
                for lease in self.broker.held(holder)
            )
            for want in wants
        )

    def edges(self) -> dict[str, set[str]]:
        graph: dict[str, set[str]] = {holder: set() for holder in HOLDERS}
        for waiter in self.broker.waiting():
            graph[waiter.holder] |= self.blockers(waiter.holder, waiter.wants)
            graph[waiter.holder] |= {c.holder for c in waiter.conflicts if isinstance(c, Queued)}
        return graph

    @staticmethod
    def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in graph[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return seen

    def check_new(self, holder: str, leases: tuple[Lease, ...], wants: tuple[Want, ...]) -> None:
        assert len(leases) == len(wants)
        for lease, want in zip(leases, wants, strict=True):
            assert lease.holder == holder
            assert contains(lease.scope, want.scope)
            assert want.mode is Mode.SHARED or lease.mode is Mode.EXCLUSIVE
            assert lease in self.broker.held(holder)

    def check_tokens(self) -> None:
        """Promise 6: whatever is new has a token above all that were ever given."""
        self.newest = max([self.newest, *(lease.token for lease in self.broker.leases())])
        assert self.newest <= self.tokens.last

    def check_woken(self, results: tuple[Woken | TimedOut, ...]) -> None:
        for result in results:
            if isinstance(result, Woken):
                assert all(lease.holder == result.holder for lease in result.leases)
                assert all(lease in self.broker.held(result.holder) for lease in result.leases)
            assert result.waiter not in {waiter.waiter for waiter in self.broker.waiting()}
        numbers = [result.waiter for result in results]
        assert len(numbers) == len(set(numbers))

    # -- what can happen -----------------------------------------------------------------

    @initialize(asked=st.lists(st.tuples(holders, files), min_size=2, max_size=6))
    def begin(self, asked: list[tuple[str, tuple[Want, ...]]]) -> None:
        for holder, wants in asked:
            self.acquire(holder, wants, 0.0, 0)

    @rule(holder=holders, wants=sets, priority=priorities)
    def ask(self, holder: str, wants: tuple[Want, ...], priority: int) -> None:
        self.acquire(holder, wants, 0.0, priority)

    @rule(holder=holders, wants=sets, wait=waits, priority=priorities)
    def ask_and_wait(self, holder: str, wants: tuple[Want, ...], wait: float, priority: int) -> None:
        self.acquire(holder, wants, wait, priority)

    @rule(asked=st.lists(st.tuples(holders, files, waits, priorities), min_size=1, max_size=6))
    def ask_for_hot_files(self, asked: list[tuple[str, tuple[Want, ...], float, int]]) -> None:
        for holder, wants, wait, priority in asked:
            self.acquire(holder, wants, wait, priority)

    def acquire(self, holder: str, wants: tuple[Want, ...], wait: float, priority: int) -> None:
        blockers, rivals, had = (
            self.blockers(holder, wants),
            self.rivals(holder, wants),
            self.has(holder, wants),
        )
        graph, before, top = self.edges(), set(self.broker.leases()), self.tokens.last
        predicted = self.broker.first_conflict(holder, wants, priority=priority)

        answer = self.broker.acquire(holder, wants, self.now, wait=wait, priority=priority)

        fresh = set(self.broker.leases()) - before
        assert all(lease.token > top for lease in fresh)
        match answer:
            case Granted(leases):
                assert predicted is None
                self.check_new(holder, leases, wants)
                assert had == (not fresh)
                if not had:
                    assert not blockers
                    for rival in rivals:
                        overtaken_rightly = rival.priority < priority or holder in self.reachable(
                            graph, rival.holder
                        )
                        assert overtaken_rightly
            case Refused(conflicts):
                assert wait == 0
                assert not fresh
                assert conflicts
                assert predicted is not None
                assert {c.holder for c in conflicts} <= blockers | {r.holder for r in rivals}
            case WouldDeadlock(cycle, conflicts):
                assert wait > 0
                assert not fresh
                assert conflicts
                assert cycle[0] == holder
                assert cycle[1] in blockers
                for waits, goes_first in zip(cycle[1:], (*cycle[2:], holder), strict=True):
                    assert goes_first in graph[waits]
            case Waiting():
                assert wait > 0
                assert not fresh
                assert answer.conflicts
                assert answer.deadline == self.now + wait
                assert answer.waiter in {waiter.waiter for waiter in self.broker.waiting()}

    @rule(holder=holders, scopes=st.one_of(st.none(), st.lists(st.sampled_from(SCOPES), max_size=3)))
    def release(self, holder: str, scopes: list[Scope] | None) -> None:
        kept = [
            lease for lease in self.broker.held(holder) if scopes is not None and lease.scope not in scopes
        ]
        woken = self.broker.release(holder, scopes, self.now)
        self.check_woken(woken)
        if holder not in {result.holder for result in woken}:
            assert list(self.broker.held(holder)) == kept

    @precondition(lambda self: len(self.broker) > 0)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.broker.leases(), key=lambda lease: lease.token)))
        paths = [path for path in PATHS if covers(lease.scope, path)]
        woken = self.broker.expire(lease.token, self.now)
        self.check_woken(woken)
        assert self.broker.lease(lease.token) is None
        for path in paths:
            admission = self.broker.admits(lease.holder, "app", path)
            assert isinstance(admission, Held | Lapsed)
            if isinstance(admission, Lapsed):
                assert admission.token >= lease.token
                others = [other for other in self.broker.leases() if covers(other.scope, path)]
                assert admission.successor in (tuple(others) or (None,))

    @precondition(lambda self: self.broker.waiting())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.broker.waiting()))
        self.check_woken(self.broker.cancel(waiter.waiter, self.now))
        assert waiter.waiter not in {other.waiter for other in self.broker.waiting()}

    @rule(holder=holders)
    def dies(self, holder: str) -> None:
        self.check_woken(self.broker.bequeath(holder, "", (), self.now))
        assert self.broker.held(holder) == ()
        assert holder not in {waiter.holder for waiter in self.broker.waiting()}
        for path in PATHS[:6]:
            assert isinstance(self.broker.admits(holder, "app", path), Free | HeldByOther)

    @rule(seconds=st.sampled_from([1.0, 6.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        late = {waiter.waiter for waiter in self.broker.waiting() if waiter.deadline <= self.now}
        results = self.broker.due(self.now)
        self.check_woken(results)
        assert {result.waiter for result in results if isinstance(result, TimedOut)} == late

    @rule(holder=holders)
    def touch(self, holder: str) -> None:
        self.broker.touch(holder, self.now)

    # -- what always holds ---------------------------------------------------------------

    @invariant()
    def test_promise_2_no_two_overlapping_exclusive_leases(self) -> None:
        for a, b in combinations(self.broker.leases(), 2):
            if a.holder != b.holder and clash(a.mode, b.mode):
                assert not overlaps(a.scope, b.scope)
                assert not [path for path in PATHS if covers(a.scope, path) and covers(b.scope, path)]

    @invariant()
    def test_promise_6_tokens_only_grow_and_are_unique(self) -> None:
        tokens = [lease.token for lease in self.broker.leases()]
        assert len(tokens) == len(set(tokens))
        self.check_tokens()

    @invariant()
    def test_every_table_tells_the_same(self) -> None:
        everything = set(self.broker.leases())
        assert len(everything) == len(self.broker)
        assert everything == {lease for holder in HOLDERS for lease in self.broker.held(holder)}
        assert len(everything) == len({(lease.holder, lease.scope) for lease in everything})
        for scope in SCOPES:
            expected = {lease for lease in everything if overlaps(lease.scope, scope)}
            found = self.broker.who(scope)
            assert set(found) == expected
            assert len(found) == len(expected)

    @invariant()
    def test_nobody_waits_without_a_reason_that_is_real(self) -> None:
        for waiter in self.broker.waiting():
            assert waiter.conflicts
            rivals = {rival.waiter for rival in self.rivals(waiter.holder, waiter.wants)}
            for conflict in waiter.conflicts:
                if isinstance(conflict, Queued):
                    assert conflict.waiter in rivals
                else:
                    assert conflict.holder in self.blockers(waiter.holder, waiter.wants)

    @invariant()
    def test_no_circle_of_waits_ever_exists(self) -> None:
        graph = self.edges()
        for holder in HOLDERS:
            assert holder not in self.reachable(graph, holder)

    @invariant()
    def test_every_pair_of_rivals_has_an_order(self) -> None:
        queue = self.broker.waiting()
        first = {w.waiter: {c.waiter for c in w.conflicts if isinstance(c, Queued)} for w in queue}
        for waiter in queue:
            for rival in self.rivals(waiter.holder, waiter.wants):
                assert (rival.waiter in first[waiter.waiter]) != (waiter.waiter in first[rival.waiter])

    @invariant()
    def test_the_idle_are_those_that_somebody_waits_for(self) -> None:
        ttl = 30.0
        expected = {
            lease
            for lease in self.broker.leases()
            if self.broker._holdings.active_at(lease) + ttl <= self.now
            and any(lease.holder in self.blockers(w.holder, w.wants) for w in self.broker.waiting())
            and any(
                clash(lease.mode, want.mode)
                and overlaps(lease.scope, want.scope)
                and w.holder != lease.holder
                for w in self.broker.waiting()
                for want in w.wants
            )
        }
        assert set(self.broker.idle(self.now, ttl)) == expected

    @invariant()
    def test_the_deadline_is_never_too_late(self) -> None:
        ttl = 30.0
        moments = [waiter.deadline for waiter in self.broker.waiting()]
        moments += [
            self.broker._holdings.active_at(lease) + ttl
            for lease in self.broker.leases()
            if any(
                clash(lease.mode, want.mode)
                and overlaps(lease.scope, want.scope)
                and w.holder != lease.holder
                for w in self.broker.waiting()
                for want in w.wants
            )
        ]
        assert self.broker.deadline(ttl) == min(moments, default=None)

    def teardown(self) -> None:
        """Whoever does not wait leaves, again and again: the queue must run empty, and nothing may stay."""
        while queue := self.broker.waiting():
            waiting = {waiter.holder for waiter in queue}
            free = [holder for holder in HOLDERS if holder not in waiting and self.broker.held(holder)]
            assert free, "everybody waits for somebody"
            self.broker.bequeath(free[0], "", (), self.now)
        for holder in HOLDERS:
            self.broker.bequeath(holder, "", (), self.now)
        assert len(self.broker) == 0
        assert self.broker.deadline(30.0) is None
        assert_empty(self.broker)


def assert_empty(broker: Broker) -> None:
    holdings, queue = broker._holdings, broker._queue
    assert not holdings._leases
    assert not holdings._records
    assert not queue.waiters
    assert not queue._by_holder
    assert not broker._unnumbered
    for index in (holdings.index, queue._index):
        for table in index._tables.values():
            root = table.nodes[""]
            assert list(table.nodes) == [""]
            assert (table._top.count, table._top.exclusive, root.count, root.exclusive) == (0, 0, 1, 0)


TestLeases = Leases.TestCase
# A found failure is told as it was found: shrinking a long history costs minutes.
TestLeases.settings = settings(
    deadline=None,
    derandomize=True,
    max_examples=100,
    stateful_step_count=25,
    phases=[Phase.generate],
)
