"""How a worker is told of its leases: in portions, and by the whole list where it knows of nothing else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from supervisor.core.decisions.effects import Disown, Entrust, Recount
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import file_scope
from supervisor.daemon.lease_orders import LeaseOrders

UNKNOWN = "unknown op 'grant'; there are stop, kill, hold, revoke and state"


class Lines:
    """Keeps what a worker was sent; the test answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.answered: list[Any] = []

    def order(self, session: str, op: str, answered: Any = None, **fields: Any) -> bool:
        assert session == "s1"
        self.sent.append((op, fields))
        self.answered.append(answered)
        return True


class Authority:
    """Somebody's tables."""

    def __init__(self, tables: Any) -> None:
        self.tables = tables


@pytest.fixture
def world(house: Any, work: Any) -> Any:
    house.offer(work("a"))
    house.fill()
    lines = Lines()

    def leased(*paths: str) -> tuple[Any, ...]:
        wants = tuple(Want(file_scope(path, "repo"), Mode.EXCLUSIVE) for path in paths)
        return tuple(house.tables.broker.acquire("s1", wants, 1.0).leases)

    orders = LeaseOrders(cast("Any", Authority(house.tables)), lines)
    orders.greeted("s1")
    return orders, lines, leased, house.tables.broker


def test_new_leases_are_told_as_workers_keep_them_and_ended_ones_by_their_tokens(world):
    orders, lines, leased, _ = world
    (lease,) = leased("x")

    orders.carry(Entrust("s1", (lease,)))
    orders.carry(Disown("s1", (lease.token,)))

    scope = {"kind": "file", "repo": "repo", "text": "x", "key": "x"}
    assert lines.sent == [
        ("grant", {"leases": [("s1", scope, "exclusive", lease.token, 1.0)]}),
        ("revoke", {"tokens": (lease.token,)}),
    ]


def test_thousands_of_leases_are_told_a_few_at_a_time(world):
    orders, lines, leased, _ = world
    leases = leased(*map(str, range(1_200)))

    orders.carry(Entrust("s1", leases))

    assert [len(fields["leases"]) for _, fields in lines.sent] == [500, 500, 200]
    assert [one[3] for _, fields in lines.sent for one in fields["leases"]] == [one.token for one in leases]


def test_a_lease_that_was_given_back_by_now_is_not_told_of(world):
    orders, lines, leased, broker = world
    leases = leased("x")
    broker.release("s1", None, 2.0)

    orders.carry(Entrust("s1", leases))

    assert lines.sent == []


def test_a_worker_that_knows_of_lists_only_is_sent_one(world):
    orders, lines, leased, broker = world
    orders.carry(Entrust("s1", leased("x")))

    lines.answered[0]({"ok": False, "error": UNKNOWN})

    op, fields = lines.sent[1]
    assert op == "hold"
    assert fields["upto"] == broker.last_token
    assert [one[1]["text"] for one in fields["leases"]] == ["x"]


@pytest.mark.parametrize(
    "answer", [{"ok": True}, {"ok": False, "gone": True}, {"ok": False, "try_later": True, "error": "late"}]
)
def test_a_worker_that_understood_or_is_out_of_reach_is_sent_no_list(world, answer):
    orders, lines, leased, _ = world
    orders.carry(Entrust("s1", leased("x")))

    lines.answered[0](answer)

    assert [op for op, _ in lines.sent] == ["grant"]


def test_the_whole_list_says_up_to_which_token_it_is_whole(world):
    orders, lines, leased, broker = world
    leased("x", "y")

    orders.carry(Recount("s1"))

    ((op, fields),) = lines.sent
    assert (op, len(fields["leases"]), fields["upto"]) == ("hold", 2, broker.last_token)


def test_a_worker_that_has_not_said_yet_what_it_knows_is_told_nothing_and_forgets_nothing(world):
    orders, lines, leased, _ = world
    orders.lost("s1")
    (lease,) = leased("x")

    orders.carry(Entrust("s1", (lease,)))
    orders.carry(Disown("s1", (lease.token,)))
    orders.carry(Recount("s1"))

    assert not orders.revoke("s1", [lease.token], lambda _answer: None)
    assert lines.sent == []
    orders.greeted("s1")
    assert orders.revoke("s1", [lease.token], lambda _answer: None)
    assert lines.sent == [("revoke", {"tokens": [lease.token]})]
