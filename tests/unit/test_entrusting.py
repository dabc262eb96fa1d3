"""What a worker is told of its session's leases: of each change what changed, and nothing when nothing did."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from supervisor.core.decisions import gate, requests, wake
from supervisor.core.decisions.effects import Disown, Entrust, Recount
from supervisor.core.decisions.entrusting import even_out, raised, shown
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.daemon.news import News
from supervisor.daemon.places import Places


def wants(*texts: str, mode: Mode = Mode.EXCLUSIVE) -> tuple[Want, ...]:
    return tuple(Want(scope, mode) for text in texts for scope in parse_scopes(text, "repo"))


def told(effects: Any) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, Entrust | Disown | Recount)]


def acquire(house: Any, *texts: str, who: str = "s1", mode: Mode = Mode.EXCLUSIVE, wait: float = 0.0) -> Any:
    return requests.acquire(house.tables, who, wants(*texts, mode=mode), wait, house.now)[1]


def commit(house: Any, *paths: str) -> Any:
    update = gate.Update("refs/heads/main", "0" * 40, "1" * 40, paths)
    return gate.gate(house.tables, house.session("a"), [update], house.now)


def start(house: Any, work: Any, *keys: str) -> None:
    house.offer(*(work(key) for key in keys))
    house.fill()
    for key in keys:
        house.started(key)


def test_a_worker_is_told_of_the_leases_that_are_new_and_of_nothing_when_none_is(house, work):
    start(house, work, "a")
    first = told(acquire(house, "x"))
    (x,) = house.tables.broker.held("s1")

    assert first == [Entrust("s1", (x,))]
    assert [lease.scope.text for effect in told(acquire(house, "x", "y")) for lease in effect.leases] == ["y"]
    assert told(acquire(house, "x", "y")) == []


def test_a_commit_tells_of_the_paths_that_it_leased_and_of_nothing_when_all_were_held(house, work):
    start(house, work, "a")
    acquire(house, "x")

    _, first = commit(house, "x", "y")
    _, again = commit(house, "x", "y")

    assert [[lease.scope.text for lease in effect.leases] for effect in told(first)] == [["y"]]
    assert told(again) == []


def test_who_waited_is_told_of_what_it_did_not_have_before(house, work):
    start(house, work, "a", "b")
    acquire(house, "x", who="s2")
    acquire(house, "y")
    acquire(house, "x", "y", wait=60.0)

    _, effects = requests.release(house.tables, "s2", wants("x"), house.now)

    ((entrusted,),) = [effect.leases for effect in told(effects)]
    assert (entrusted.holder, entrusted.scope.text) == ("s1", "x")


def test_a_shared_lease_that_is_raised_has_ended(house, work):
    start(house, work, "a")
    acquire(house, "x", mode=Mode.SHARED)
    (lesser,) = house.tables.broker.held("s1")

    acquire(house, "x")

    assert raised(house.tables) == [Disown("s1", (lesser.token,))]
    assert raised(house.tables) == []


def test_an_expired_lease_of_a_session_without_a_guard_is_disowned(house, work):
    start(house, work, "a")
    acquire(house, "x")
    (lease,) = house.tables.broker.held("s1")

    assert told(wake.still_idle(house.tables, lease.token, None, house.now)) == [Disown("s1", (lease.token,))]


def test_a_guard_that_forgot_a_lease_which_is_still_open_is_told_of_its_new_token(house, work):
    start(house, work, "a")
    acquire(house, "x")
    (lease,) = house.tables.broker.held("s1")

    effects = wake.taken_back(house.tables, lease.token, still_open=True, now=house.now)

    (new,) = house.tables.broker.held("s1")
    assert new.token > lease.token
    assert told(effects) == [Entrust("s1", (new,))]


def test_a_lease_whose_guard_could_not_be_asked_to_forget_it_stays_as_it_is_and_counts_as_just_used(
    house, work
):
    start(house, work, "a", "b")
    acquire(house, "x")
    held = house.tables.broker.held("s1")
    acquire(house, "x", who="s2", wait=10_000.0)
    house.tables.closing.add(held[0].token)
    house.now = house.now.later(5_000)

    wake.not_taken_back(house.tables, held[0].token, house.now)

    assert house.tables.broker.held("s1") == held
    assert house.tables.closing == set()
    assert house.tables.broker.idle(house.now.mono, 1_000.0) == ()


def test_a_worker_that_greets_is_told_what_it_does_not_know(house, work):
    start(house, work, "a")
    acquire(house, "x", "y")
    x, y = house.tables.broker.held("s1")

    assert even_out(house.tables, "s1", {x.token, y.token}) == []
    assert even_out(house.tables, "s1", {x.token, 77}) == [Disown("s1", (77,)), Entrust("s1", (y,))]


def test_a_worker_is_not_told_of_what_is_being_taken_back_nor_of_what_may_not_stay(house, work):
    start(house, work, "a")
    acquire(house, "x", "y", "z")
    x, y, z = house.tables.broker.held("s1")
    house.tables.closing.add(x.token)
    house.tables.untold.add(y.token)

    assert shown(house.tables, "s1") == [z]
    assert even_out(house.tables, "s1", set()) == [Entrust("s1", (z,))]
    assert even_out(house.tables, "s1", {x.token, y.token, z.token}) == []


class Authority:
    """The tables of a house, whose effects are kept."""

    def __init__(self, house: Any) -> None:
        self.tables, self.now, self.done = house.tables, lambda: house.now, list[Any]()

    def do(self, effects: Any) -> None:
        self.done += effects

    def event(self, session: str, event: object) -> None:
        """Take no news of its life."""

    def tick(self) -> None:
        """Do nothing: no time passes."""


def greeted(house: Any, leases: object, *, adopted: bool = False) -> list[Any]:
    authority = cast("Any", Authority(house))
    news = News(authority, Places(Path("/nowhere"), Path("/nowhere")), authority)
    if adopted:
        news.unreported.add("s1")
        house.tables.wait_for_reports.add("s1")
    news.hear("s1", ProcessId(1, 1, "boot"), {"event": "hello", "leases": leases})
    return told(authority.done)


def test_the_whole_list_is_for_a_worker_that_was_never_told(house, work):
    start(house, work, "a")

    assert greeted(house, None) == [Recount("s1")]
    assert greeted(house, []) == []


def test_a_worker_of_an_earlier_supervisor_that_was_never_told_keeps_what_the_journal_says_and_is_told_of_it(
    house, work
):
    house.offer(work("a", "x"))
    house.fill()
    house.started("a")
    held = house.tables.broker.held("s1")

    assert greeted(house, None, adopted=True) == [Recount("s1")]
    assert house.tables.broker.held("s1") == held


def test_a_worker_that_reports_to_a_new_supervisor_is_told_nothing_when_all_of_it_is_taken_up(house, work):
    start(house, work, "a")
    scope = {"kind": "file", "repo": "repo", "text": "x", "key": "x"}

    assert greeted(house, [["s1", scope, "exclusive", 7, 1.0]], adopted=True) == []
    assert [lease.token for lease in house.tables.broker.held("s1")] == [7]


def test_a_worker_that_reports_too_late_is_told_what_is_left_to_it(house, work):
    start(house, work, "a", "b")
    acquire(house, "x", who="s2")
    acquire(house, "y")
    (y,) = house.tables.broker.held("s1")
    scope = {"kind": "file", "repo": "repo", "text": "x", "key": "x"}

    effects = greeted(house, [["s1", scope, "exclusive", 7_000, 1.0]], adopted=True)

    assert effects == [Disown("s1", (7_000,)), Entrust("s1", (y,))]
