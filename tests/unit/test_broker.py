"""Granting, refusing, queueing and ending leases, one situation at a time."""

from __future__ import annotations

import pytest

from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens, TokensExhausted
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
from supervisor.core.leases.scope import Scope, file_scope, parse_scopes

SHARED = Mode.SHARED


def scope(text: str) -> Scope:
    (parsed,) = parse_scopes(text, "app")
    return parsed


def want(*texts: str, mode: Mode = Mode.EXCLUSIVE) -> tuple[Want, ...]:
    return tuple(Want(scope(text), mode) for text in texts)


def a_broker(tokens: int = 10_000) -> Broker:
    counter = Tokens(0)
    counter.reserve(tokens)
    return Broker(counter)


def granted(
    broker: Broker, holder: str, *texts: str, mode: Mode = Mode.EXCLUSIVE, now: float = 0.0
) -> list[Lease]:
    answer = broker.acquire(holder, want(*texts, mode=mode), now)
    assert isinstance(answer, Granted)
    return list(answer.leases)


def queued(
    broker: Broker,
    holder: str,
    *texts: str,
    mode: Mode = Mode.EXCLUSIVE,
    priority: int = 0,
    wait: float = 60.0,
) -> Waiting:
    answer = broker.acquire(holder, want(*texts, mode=mode), 0.0, wait=wait, priority=priority)
    assert isinstance(answer, Waiting)
    return answer


def names(results: tuple[Woken | TimedOut, ...]) -> list[str]:
    return [result.holder for result in results]


# -- granting and refusing --------------------------------------------------------------------


def test_a_set_is_granted_whole_or_not_at_all() -> None:
    broker = a_broker()
    (taken,) = granted(broker, "s1", "b")
    answer = broker.acquire("s2", want("a", "b", "c"), 0.0)

    assert answer == Refused((taken,))
    assert broker.held("s2") == ()
    assert len(granted(broker, "s2", "a", "c")) == 2


def test_a_refusal_names_each_lease_in_the_way_once() -> None:
    broker = a_broker()
    (tree,) = granted(broker, "s1", "src/")
    (other,) = granted(broker, "s2", "docs/x.md")
    answer = broker.acquire("s3", want("src/a", "src/b", "docs/"), 0.0)

    assert answer == Refused((tree, other))


def test_what_a_holder_has_is_not_granted_twice() -> None:
    broker = a_broker()
    (tree,) = granted(broker, "s1", "src/")

    assert granted(broker, "s1", "src/a.py", "src/*.py", "src/sub/") == [tree, tree, tree]
    assert granted(broker, "s1", "src/a.py", mode=SHARED) == [tree]
    assert len(broker) == 1


def test_no_wants_are_granted_at_once() -> None:
    assert a_broker().acquire("s1", (), 0.0) == Granted(())


def test_shared_leases_share_with_each_other_only() -> None:
    broker = a_broker()
    granted(broker, "s1", "src/", mode=SHARED)
    granted(broker, "s2", "src/a.py", mode=SHARED)

    assert isinstance(broker.acquire("s3", want("src/a.py"), 0.0), Refused)
    assert isinstance(broker.acquire("s3", want("./"), 0.0), Refused)
    assert isinstance(broker.acquire("s3", want("docs/"), 0.0), Granted)


def test_a_shared_lease_becomes_exclusive_when_nobody_else_shares_it() -> None:
    broker = a_broker()
    (shared,) = granted(broker, "s1", "a", mode=SHARED)
    granted(broker, "s2", "a", mode=SHARED)

    assert isinstance(broker.acquire("s1", want("a"), 0.0), Refused)
    broker.release("s2", None, 0.0)
    (exclusive,) = granted(broker, "s1", "a")

    assert exclusive.token > shared.token
    assert broker.held("s1") == (exclusive,)
    assert broker.lease(shared.token) is None


def test_one_set_may_ask_for_a_scope_in_both_modes() -> None:
    broker = a_broker()
    answer = broker.acquire("s1", (*want("a", mode=SHARED), *want("a", "a/")), 0.0)

    assert isinstance(answer, Granted)
    assert all(lease.mode is Mode.EXCLUSIVE and lease in broker.held("s1") for lease in answer.leases)


def test_promise_6_a_grant_without_a_number_does_not_happen() -> None:
    broker = a_broker(tokens=1)
    with pytest.raises(TokensExhausted):
        broker.acquire("s1", want("a", "b"), 0.0)

    assert len(broker) == 0
    assert granted(broker, "s1", "a")


def test_first_conflict_predicts_and_changes_nothing() -> None:
    broker = a_broker()
    (lease,) = granted(broker, "s1", "src/")
    waiter = queued(broker, "s2", "src/a", "docs/")

    assert broker.first_conflict("s3", want("src/x")) == lease
    found = broker.first_conflict("s3", want("docs/b"))
    assert isinstance(found, Queued)
    assert (found.holder, found.waiter, found.scope) == ("s2", waiter.waiter, scope("docs/"))
    assert broker.first_conflict("s3", want("docs/b"), priority=1) is None
    assert broker.first_conflict("s3", want("README.md")) is None
    assert (len(broker), len(broker.waiting())) == (1, 1)


# -- the queue --------------------------------------------------------------------------------


def test_waiters_are_served_in_the_order_of_their_coming() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    for holder in ("s2", "s3", "s4"):
        queued(broker, holder, "a")

    assert names(broker.release("s1", None, 1.0)) == ["s2"]
    assert names(broker.release("s2", None, 2.0)) == ["s3"]
    assert names(broker.bequeath("s3", "", (), 3.0)) == ["s4"]


def test_a_higher_priority_is_served_first() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "low", "a", priority=1)
    queued(broker, "high", "a", priority=2)

    assert names(broker.release("s1", None, 0.0)) == ["high"]


def test_a_newcomer_does_not_overtake_a_waiter_even_without_waiting() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", "b")
    answer = broker.acquire("s3", want("b"), 0.0)

    assert isinstance(answer, Refused)
    assert [(conflict.holder, type(conflict)) for conflict in answer.conflicts] == [("s2", Queued)]


def test_a_newcomer_of_higher_priority_overtakes() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", "b", priority=1)

    assert isinstance(broker.acquire("s3", want("b"), 0.0, priority=2), Granted)


def test_a_stream_of_sharers_does_not_starve_one_who_wants_it_alone() -> None:
    broker = a_broker()
    granted(broker, "s1", "a", mode=SHARED)
    queued(broker, "s2", "a")
    queued(broker, "s3", "a", mode=SHARED)

    assert names(broker.release("s1", None, 0.0)) == ["s2"]


def test_sharers_are_woken_together() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", mode=SHARED)
    queued(broker, "s3", "a", mode=SHARED)

    assert names(broker.release("s1", None, 0.0)) == ["s2", "s3"]


def test_a_holder_may_extend_past_somebody_who_waits_for_it() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", "b")

    assert isinstance(broker.acquire("s1", want("b"), 0.0), Granted)


def test_a_wait_that_would_close_a_circle_is_refused_and_names_it() -> None:
    broker = a_broker()
    for holder, text in (("s1", "a"), ("s2", "b"), ("s3", "c")):
        granted(broker, holder, text)
    queued(broker, "s1", "b")
    queued(broker, "s2", "c")
    answer = broker.acquire("s3", want("a"), 0.0, wait=60.0)

    assert isinstance(answer, WouldDeadlock)
    assert answer.cycle == ("s3", "s1", "s2")
    assert len(broker.waiting()) == 2


def test_a_circle_through_the_queue_is_seen() -> None:
    broker = a_broker()
    granted(broker, "s1", "x")
    granted(broker, "s3", "z")
    queued(broker, "s2", "x", "y")
    queued(broker, "s3", "y")
    answer = broker.acquire("s1", want("z"), 0.0, wait=60.0)

    assert isinstance(answer, WouldDeadlock)
    assert answer.cycle == ("s1", "s3", "s2")


def test_two_sharers_who_both_want_it_alone_do_not_wait_for_each_other() -> None:
    broker = a_broker()
    granted(broker, "s1", "a", mode=SHARED)
    granted(broker, "s2", "a", mode=SHARED)
    queued(broker, "s1", "a")

    assert isinstance(broker.acquire("s2", want("a"), 0.0, wait=60.0), WouldDeadlock)


def test_two_waits_of_one_session_for_the_same_file_are_both_served() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a")
    queued(broker, "s3", "a")
    queued(broker, "s2", "a")
    woken = broker.release("s1", None, 0.0)

    assert names(woken) == ["s2", "s2"]
    assert len({result.leases for result in woken}) == 1


def test_a_cancelled_waiter_lets_those_behind_it_go_on() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    first = queued(broker, "s2", "a", "b")
    queued(broker, "s3", "b")

    assert names(broker.cancel(first.waiter, 0.0)) == ["s3"]
    assert broker.cancel(first.waiter, 0.0) == ()


def test_a_waiter_times_out_with_what_stands_in_its_way() -> None:
    broker = a_broker()
    (lease,) = granted(broker, "s1", "a")
    waiter = queued(broker, "s2", "a", "b", wait=10.0)
    queued(broker, "s3", "b", wait=60.0)

    assert broker.due(9.9) == ()
    late, woken = broker.due(10.0)
    assert late == TimedOut(waiter.waiter, "s2", (lease,))
    assert isinstance(woken, Woken)
    assert woken.holder == "s3"


def test_waiters_that_no_token_was_left_for_go_on_when_there_are_some() -> None:
    tokens = Tokens(0)
    tokens.reserve(1)
    broker = Broker(tokens)
    granted(broker, "s1", "a")
    queued(broker, "s2", "a")

    assert broker.release("s1", None, 0.0) == ()
    tokens.reserve(10)
    assert names(broker.due(1.0)) == ["s2"]


def test_the_dead_wait_no_more() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", "b")
    queued(broker, "s3", "b")

    assert names(broker.bequeath("s2", "", (), 0.0)) == ["s3"]
    assert broker.waiting() == ()


# -- ending, and the gate ---------------------------------------------------------------------


def test_releasing_what_is_not_held_is_no_error() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")

    assert broker.release("s1", [scope("b"), scope("a/")], 0.0) == ()
    assert broker.release("nobody", None, 0.0) == ()
    assert len(broker) == 1


def test_the_gate_admits_what_is_held_and_names_who_holds_the_rest() -> None:
    broker = a_broker()
    (mine,) = granted(broker, "s1", "src/*.py")
    (other,) = granted(broker, "s2", "docs/")

    assert broker.admits("s1", "app", "src/a.py") == Held(mine)
    assert broker.admits("s1", "app", "docs/x/y.md") == HeldByOther(other)
    assert broker.admits("s1", "app", "README.md") == Free()
    assert broker.admits("s1", "lib", "src/a.py") == Free()


def test_promise_6_a_token_that_was_taken_away_is_stale_at_the_gate() -> None:
    broker = a_broker()
    (old,) = granted(broker, "s1", "src/")
    broker.expire(old.token, 1.0)

    assert broker.admits("s1", "app", "src/a.py") == Lapsed(old.token, None)
    (successor,) = granted(broker, "s2", "src/a.py")
    assert broker.admits("s1", "app", "src/a.py") == Lapsed(old.token, successor)
    assert broker.admits("s2", "app", "src/a.py") == Held(successor)
    assert broker.expire(old.token, 2.0) == ()


def test_a_path_that_is_granted_again_is_not_stale() -> None:
    broker = a_broker()
    (old,) = granted(broker, "s1", "src/a.py")
    broker.expire(old.token, 1.0)
    (new,) = granted(broker, "s1", "src/a.py")

    assert broker.admits("s1", "app", "src/a.py") == Held(new)
    broker.release("s1", None, 2.0)
    assert broker.admits("s1", "app", "src/a.py") == Free()


def test_what_a_holder_gave_back_itself_is_free() -> None:
    broker = a_broker()
    granted(broker, "s1", "src/a.py")
    broker.release("s1", [scope("src/a.py")], 0.0)

    assert broker.admits("s1", "app", "src/a.py") == Free()


def test_memory_of_lost_leases_is_bounded_by_refusing_more() -> None:
    broker = a_broker()
    first = granted(broker, "s1", "f0")[0]
    broker.expire(first.token, 0.0)
    for number in range(1, 400):
        broker.expire(granted(broker, "s1", f"f{number}")[0].token, 0.0)

    assert isinstance(broker.admits("s1", "app", "f0"), Lapsed)
    assert isinstance(broker.admits("s1", "app", "never/held"), Lapsed)
    broker.bequeath("s1", "", (), 0.0)
    assert broker.admits("s1", "app", "f0") == Free()


def test_the_gate_ignores_case_where_the_file_system_does() -> None:
    tokens = Tokens(0)
    tokens.reserve(10)
    broker = Broker(tokens, folding=["app"])
    broker.acquire("s1", (Want(file_scope("README.md", "app", fold_case=True)),), 0.0)

    assert isinstance(broker.admits("s1", "app", "readme.MD"), Held)


# -- idleness ---------------------------------------------------------------------------------


def test_a_lease_that_nobody_wants_is_never_idle() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")

    assert broker.idle(1e9, 900.0) == ()
    assert broker.deadline(900.0) is None


def test_a_wanted_lease_is_idle_after_its_ttl_without_a_sign_of_work() -> None:
    broker = a_broker()
    (lease,) = granted(broker, "s1", "a")
    queued(broker, "s2", "a", wait=float("inf"))

    assert broker.deadline(900.0) == 900.0
    assert broker.idle(899.0, 900.0) == ()
    broker.touch("s1", 500.0)
    assert broker.deadline(900.0) == 1400.0
    assert broker.idle(1400.0, 900.0) == (lease,)
    assert names(broker.expire(lease.token, 1400.0)) == ["s2"]
    assert broker.deadline(900.0) is None


def test_a_sign_of_work_never_moves_back() -> None:
    broker = a_broker()
    (lease,) = granted(broker, "s1", "a")
    queued(broker, "s2", "a", wait=float("inf"))
    broker.touch("s1", 50.0)
    broker.touch("s1", 20.0)

    assert broker.idle(149.0, 100.0) == ()
    assert broker.idle(150.0, 100.0) == (lease,)


def test_the_deadline_is_the_earlier_of_a_wait_and_an_idle_lease() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", wait=30.0)

    assert broker.deadline(900.0) == 30.0
    assert broker.deadline(10.0) == 10.0


# -- after a restart --------------------------------------------------------------------------


def test_leases_are_restored_with_their_tokens_and_new_ones_are_above() -> None:
    before = a_broker()
    leases = granted(before, "s1", "a", "b/")
    tokens = Tokens(1)
    after = Broker(tokens)

    assert after.restore("s1", leases) is None
    assert list(after.held("s1")) == leases
    tokens.reserve(100)
    assert granted(after, "s1", "c")[0].token > max(lease.token for lease in leases)


def test_a_restore_that_overlaps_another_holder_is_refused_whole() -> None:
    broker = a_broker()
    (theirs,) = granted(broker, "s1", "a/")
    mine = [Lease("s2", scope(text), Mode.EXCLUSIVE, token, 0.0) for token, text in ((7, "b"), (8, "a/x"))]

    assert broker.restore("s2", mine) == theirs
    assert broker.held("s2") == ()


def test_restoring_twice_changes_nothing() -> None:
    broker = a_broker()
    leases = [Lease("s1", scope("a"), Mode.EXCLUSIVE, 7, 0.0)]
    broker.restore("s1", leases)
    broker.restore("s1", leases)

    assert list(broker.held("s1")) == leases


# -- looking ----------------------------------------------------------------------------------


def test_who_tells_every_lease_that_overlaps() -> None:
    broker = a_broker()
    (tree,) = granted(broker, "s1", "src/")
    (shared,) = granted(broker, "s2", "docs/*.md", mode=SHARED)
    granted(broker, "s2", "lib/x")

    assert broker.who(scope("src/a")) == (tree,)
    assert set(broker.who(scope("**/*.md"))) == {tree, shared}
    assert len(list(broker.leases())) == 3


def test_the_queue_is_shown_with_its_reasons_of_now() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    queued(broker, "s2", "a", priority=1)
    queued(broker, "s3", "a", priority=5)
    shown = broker.waiting()

    assert [waiter.holder for waiter in shown] == ["s3", "s2"]
    assert [[conflict.holder for conflict in waiter.conflicts] for waiter in shown] == [["s1"], ["s1", "s3"]]


def test_a_lease_goes_on_under_a_new_token_ahead_of_who_waits_and_inside_a_wider_one() -> None:
    broker = a_broker()
    (file,) = granted(broker, "s1", "a/b")
    (tree,) = granted(broker, "s1", "a/")
    broker.acquire("s2", want("a/b"), 0.0, wait=60.0)

    new, woken = broker.renumber(file.token, 1.0)

    assert new is not None
    assert new.token > tree.token
    assert (new.scope, new.mode, woken) == (file.scope, file.mode, ())
    assert broker.held("s1") == (tree, new)
    assert broker.release("s1", [tree.scope], 2.0) == ()


def test_a_lease_that_cannot_be_numbered_anew_ends_and_one_that_has_ended_stays_so() -> None:
    tokens = Tokens()
    tokens.reserve(1)
    broker = Broker(tokens)
    (lease,) = granted(broker, "s1", "a")

    assert broker.renumber(lease.token, 1.0) == (None, ())
    assert broker.held("s1") == ()
    assert broker.renumber(lease.token, 2.0) == (None, ())


def test_leases_that_are_restored_after_a_loss_are_listed_once() -> None:
    broker = a_broker()
    lost, *kept = granted(broker, "s1", "a", "b", "c")
    broker.expire(lost.token, 1.0)
    broker.release("s1", None, 2.0)

    assert broker.restore("s1", kept) is None
    assert list(broker.held("s1")) == kept


def test_shared_leases_that_gave_way_to_exclusive_ones_are_told_of_once() -> None:
    broker = a_broker()
    ask = broker.acquire("s1", (Want(scope("a"), Mode.SHARED),), 0.0)
    assert isinstance(ask, Granted)
    granted(broker, "s1", "a")

    assert broker.raised() == ask.leases
    assert broker.raised() == ()


def test_leases_since_a_token_are_those_of_one_holder_that_have_not_ended() -> None:
    broker = a_broker()
    granted(broker, "s1", "a")
    newest = broker.last_token
    second, third = granted(broker, "s1", "b", "c")
    granted(broker, "s2", "d")
    broker.release("s1", [second.scope], 1.0)

    assert broker.since("s1", newest) == (third,)
    assert broker.since("s1", broker.last_token) == ()
    assert broker.since("nobody", 0) == ()
