"""What is remembered of leases that ended while git was at work."""

from __future__ import annotations

import pytest

from supervisor.core.leases import ended
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.ended import UNKNOWN
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Granted, Lease, Mode, Want
from supervisor.core.leases.scope import parse_scopes


def want(text: str, repo: str = "r") -> Want:
    return Want(parse_scopes(text, repo)[0], Mode.EXCLUSIVE)


def grant(broker: Broker, holder: str, text: str) -> Lease:
    answer = broker.acquire(holder, [want(text)], 0.0)
    assert isinstance(answer, Granted)
    return answer.leases[0]


def numbered() -> Tokens:
    tokens = Tokens(0)
    tokens.reserve(1_000)
    return tokens


@pytest.fixture
def broker() -> Broker:
    return Broker(numbered())


@pytest.mark.parametrize("text", ["src/a.py", "src/", "src/*.py"])
def test_who_held_a_path_when_a_turn_began_is_known_until_it_is_over(broker: Broker, text: str) -> None:
    lease = grant(broker, "b", text)
    turn = grant(broker, "a", "resource:git/r")
    assert broker.ended_since(turn.token, "a", "r", "src/a.py") is None

    broker.release("b", [lease.scope], 0.0)

    assert broker.ended_since(turn.token, "a", "r", "src/a.py") == "b"
    assert broker.ended_since(turn.token, "b", "r", "src/a.py") is None
    assert broker.ended_since(turn.token, "a", "other", "src/a.py") is None
    broker.release("a", [turn.scope], 0.0)
    later = grant(broker, "a", "resource:git/r")
    assert broker.ended_since(later.token, "a", "r", "src/a.py") is None


def test_what_ended_before_the_turn_is_not_held_against_it(broker: Broker) -> None:
    other = grant(broker, "c", "resource:git/other")
    lease = grant(broker, "b", "src/a.py")
    broker.release("b", [lease.scope], 0.0)

    turn = grant(broker, "a", "resource:git/r")

    assert broker.ended_since(turn.token, "a", "r", "src/a.py") is None
    assert broker.ended_since(other.token, "c", "r", "src/a.py") == "b"


def test_a_port_that_is_held_for_hours_makes_nothing_remembered(broker: Broker) -> None:
    port = grant(broker, "a", "resource:port-1")
    lease = grant(broker, "b", "src/a.py")
    broker.release("b", [lease.scope], 0.0)

    assert broker.ended_since(port.token, "a", "r", "src/a.py") is None


@pytest.mark.parametrize(("bound", "form"), [("_MOST", "f{}"), ("_FEW", "d{}/")])
def test_what_is_forgotten_counts_as_held(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, bound: str, form: str
) -> None:
    monkeypatch.setattr(ended, bound, 3)
    turn = grant(broker, "a", "resource:git/r")
    leases = [grant(broker, "b", form.format(number)) for number in range(4)]

    broker.release("b", [lease.scope for lease in leases[:3]], 0.0)
    assert broker.ended_since(turn.token, "a", "r", "elsewhere") is None
    broker.release("b", [leases[3].scope], 0.0)

    assert broker.ended_since(turn.token, "a", "r", "elsewhere") == UNKNOWN


def test_after_a_restart_nobody_knows_what_ended_before(broker: Broker) -> None:
    turn = grant(broker, "a", "resource:git/r")
    again = Broker(numbered())

    assert again.restore("a", [turn]) is None

    assert again.ended_since(turn.token, "a", "r", "src/a.py") == UNKNOWN
    again.release("a", [turn.scope], 0.0)
    later = grant(again, "a", "resource:git/r")
    assert again.ended_since(later.token, "a", "r", "src/a.py") is None
