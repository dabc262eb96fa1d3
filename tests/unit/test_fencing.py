"""Tokens only grow, and none is given twice, restart or not."""

from __future__ import annotations

import pytest

from supervisor.core.leases.fencing import Tokens, TokensExhausted


def test_tokens_grow_from_the_last_durable_ceiling() -> None:
    tokens = Tokens(500)
    tokens.reserve(600)

    assert [tokens.take(), tokens.take()] == [501, 502]


def test_a_restart_begins_above_all_that_may_have_been_given() -> None:
    before = Tokens(0)
    before.reserve(100)
    given = before.take()
    after = Tokens(100)
    after.reserve(200)

    assert after.take() > max(given, 100)


def test_nothing_is_given_before_a_ceiling_is_reserved() -> None:
    with pytest.raises(TokensExhausted, match="store a higher ceiling"):
        Tokens(7).take()


def test_a_refused_demand_takes_nothing() -> None:
    tokens = Tokens(0)
    tokens.reserve(2)
    with pytest.raises(TokensExhausted):
        tokens.demand(3)

    assert (tokens.left, tokens.take()) == (2, 1)


def test_a_ceiling_never_goes_back() -> None:
    tokens = Tokens(10)
    with pytest.raises(ValueError, match="only grow"):
        tokens.reserve(9)


def test_a_token_shown_by_a_living_worker_is_never_given_again() -> None:
    tokens = Tokens(10)
    tokens.witness(12)
    tokens.witness(3)
    tokens.reserve(20)

    assert (tokens.last, tokens.take()) == (12, 13)


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Tokens(-1)
