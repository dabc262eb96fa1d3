import pytest

from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later


def test_an_answer_reaches_the_client_once() -> None:
    told: list[object] = []
    later = Later()
    later.bind(lambda _, outcome: told.append(outcome))

    assert later.answer(1)
    assert not later.answer(2)
    assert told == [1]


def test_an_answer_given_before_the_method_returned_is_delivered_when_it_did() -> None:
    told: list[object] = []
    later = Later()

    assert later.answer("early")
    assert not later.answer("again")
    later.bind(lambda _, outcome: told.append(outcome))

    assert told == ["early"]


def test_a_refusal_is_delivered_as_the_error_that_it_is() -> None:
    told: list[object] = []
    error = RpcError(Code.TRY_LATER, "not yet")
    later = Later()
    later.bind(lambda _, outcome: told.append(outcome))

    assert later.refuse(error)
    assert [error] == told


def test_an_answer_for_a_client_that_left_says_so() -> None:
    left: list[str] = []
    later = Later(on_gone=lambda: left.append("gone"))
    later.bind(lambda _, outcome: pytest.fail(f"delivered {outcome}"))
    later.gone()
    later.gone()

    assert left == ["gone"]
    assert not later.answer(1)


def test_a_client_that_leaves_after_the_answer_cancels_nothing() -> None:
    later = Later(on_gone=lambda: pytest.fail("cancelled what was granted"))
    later.bind(lambda *_: None)
    later.answer(1)

    later.gone()


def test_one_promise_cannot_answer_two_requests() -> None:
    later = Later()
    later.bind(lambda *_: None)

    with pytest.raises(RuntimeError, match="one Later was returned for two requests"):
        later.bind(lambda *_: None)
