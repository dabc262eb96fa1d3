"""The short way of a first write beside the long one, over the same past."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.decisions.claims import Claim, claim
from supervisor.core.decisions.first_write import first_write
from supervisor.core.decisions.policy import Leases, Repo, Undeclared
from supervisor.core.leases.lease import Granted
from supervisor.core.leases.scope import parse_scopes
from tests.conftest import POLICY, House, make_house, work

PATHS = ("a", "b", "lib/x", "lib/deep/y", "x.lock", "lib/z.lock")
SCOPES = (*PATHS, "lib/", "lib/deep/", "*.lock", "lib/*", "**/y")
SESSIONS = ("one", "two", "any")


def house_of(
    scopes: dict[str, frozenset[str]], past: list[tuple[str, str]], *, grants: bool, excludes: bool
) -> House:
    """Return a house with up to three sessions, of which "any" declares nothing, and their writes so far."""
    excluded = tuple(parse_scopes("**/*.lock", "repo")) if excludes else ()
    rules = replace(Leases(), undeclared=Undeclared.GRANT if grants else Undeclared.REFUSE)
    house = make_house(replace(POLICY, repos={"repo": Repo("repo", exclude=excluded)}, leases=rules))
    house.offer(*(work(name, *sorted(scopes.get(name, ()))) for name in SESSIONS))
    house.fill()
    for name in SESSIONS:
        if house.tables.roster.of_task(name) is not None:
            house.started(name)
    for name, path in past:
        session = house.tables.roster.of_task(name)
        if session is not None:
            claim(house.tables, session, Claim((path,)), 0.0, house.now)
    return house


@given(
    scopes=st.fixed_dictionaries(
        {name: st.frozensets(st.sampled_from(SCOPES), min_size=1) for name in SESSIONS[:2]}
    ),
    past=st.lists(st.tuples(st.sampled_from(SESSIONS), st.sampled_from(PATHS)), max_size=6),
    who=st.sampled_from(SESSIONS),
    path=st.sampled_from(PATHS),
    grants=st.booleans(),
    excludes=st.booleans(),
    recovering=st.booleans(),
)
def test_a_first_write_gets_by_the_short_way_what_it_gets_by_the_long_one(
    *,
    scopes: dict[str, frozenset[str]],
    past: list[tuple[str, str]],
    who: str,
    path: str,
    grants: bool,
    excludes: bool,
    recovering: bool,
) -> None:
    short, long = (house_of(scopes, past, grants=grants, excludes=excludes) for _ in range(2))
    if short.tables.roster.of_task(who) is None:
        return
    for house in (short, long):
        if recovering:
            house.tables.wait_for_reports.add("other")
    before = list(short.tables.broker.leases())

    lease = first_write(short.tables, short.session(who), path, short.now.mono)
    verdict, _, _ = claim(long.tables, long.session(who), Claim((path,)), 0.0, long.now)

    if lease is None:
        assert list(short.tables.broker.leases()) == before
    else:
        assert isinstance(verdict, Granted)
        assert [(one.scope, one.mode, one.token) for one in verdict.leases] == [
            (lease.scope, lease.mode, lease.token)
        ]
        assert list(short.tables.broker.leases()) == list(long.tables.broker.leases())
