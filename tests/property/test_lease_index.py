"""The index against a list of claims compared one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.leases import path_node
from supervisor.core.leases.lease import Lease, Mode
from supervisor.core.leases.lease_index import LeaseIndex
from supervisor.core.leases.scope import Scope, contains, file_scope, overlaps, parse_scopes, tree_scope

NAMES = ("a", "b", "a.py", "b.py", "test_a.py", "a.rs")
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
files = paths.map(lambda path: file_scope(path, "app"))
trees = st.one_of(st.just(""), paths).map(lambda path: tree_scope(path, "app"))
pieces = st.sampled_from([*NAMES, "*", "**", "*.py", "test_*", "*_a.py", "?", "[ab].py", "*a*"])
globs = st.lists(pieces, min_size=1, max_size=3).map(lambda parts: parse_scopes("/".join(parts), "app")[0])
scopes = st.one_of(files, files, trees, globs)
steps = st.lists(
    st.tuples(st.sampled_from(["s1", "s2", "s3"]), scopes, st.sampled_from(Mode), st.booleans()), max_size=60
)


@pytest.fixture(scope="module", autouse=True, params=[2, 1000], ids=["crowded", "roomy"])
def crowded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let both ways of looking at a directory be used on few names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path_node, "_CROWDED", request.param)
        yield


def first_of(index: LeaseIndex[Lease], held: list[Lease], holder: str, scope: Scope, mode: Mode) -> None:
    conflicts = {
        lease
        for lease in held
        if lease.holder != holder and Mode.EXCLUSIVE in (lease.mode, mode) and overlaps(lease.scope, scope)
    }
    mine = {
        lease
        for lease in held
        if lease.holder == holder
        and contains(lease.scope, scope)
        and (mode is Mode.SHARED or lease.mode is Mode.EXCLUSIVE)
    }
    decisive = index.decisive(holder, scope, mode)

    assert set(index.conflicts(holder, scope, mode)) == conflicts
    assert (decisive is None) == (not conflicts and not mine)
    assert decisive is None or decisive in mine or (not mine and decisive in conflicts)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(steps, st.lists(scopes, min_size=1, max_size=6))
def test_the_index_finds_what_a_comparison_with_each_claim_finds(
    changes: list[tuple[str, Scope, Mode, bool]], asked: list[Scope]
) -> None:
    index: LeaseIndex[Lease] = LeaseIndex()
    held: list[Lease] = []
    for token, (holder, scope, mode, is_end) in enumerate(changes):
        same = [lease for lease in held if lease.holder == holder and lease.scope == scope]
        if is_end:
            assert index.take(holder, scope) == (same[0] if same else None)
            held = [lease for lease in held if lease not in same]
        elif not same:
            lease = Lease(holder, scope, mode, token, 0.0)
            index.add(lease)
            held.append(lease)
        if token % 7 == 0:
            list(index.overlapping(asked[0]))  # a look in between, so that orders of names go stale
    for scope in asked:
        found = list(index.overlapping(scope))
        assert len(found) == len(set(found))
        assert set(found) == {lease for lease in held if overlaps(lease.scope, scope)}
        for mode in Mode:
            first_of(index, held, "s1", scope, mode)
    for lease in held:
        index.remove(lease)
    assert list(index.overlapping(tree_scope("", "app"))) == []


def test_what_is_not_in_cannot_be_taken_out() -> None:
    index: LeaseIndex[Lease] = LeaseIndex()
    lease = Lease("s1", file_scope("a/b", "app"), Mode.EXCLUSIVE, 1, 0.0)
    index.add(lease)
    for missing in ("a/c", "x/y"):
        with pytest.raises(KeyError):
            index.remove(Lease("s1", file_scope(missing, "app"), Mode.EXCLUSIVE, 2, 0.0))

    assert index.take("s2", lease.scope) is None
    assert index.take("s1", lease.scope) == lease
