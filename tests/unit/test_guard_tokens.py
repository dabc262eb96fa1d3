"""Packed sets of tokens."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from workers.guard.tokens import Tokens


@given(st.sets(st.integers(0, 2_000) | st.integers(0, 2**60)), st.integers(0, 2_000))
def test_it_has_what_was_put_in(put_in: set[int], other: int) -> None:
    tokens = Tokens()
    for token in put_in:
        tokens.add(token)

    assert bool(tokens) == bool(put_in)
    assert all(token in tokens for token in put_in)
    assert (other in tokens) == (other in put_in)
    assert None not in tokens


def test_ten_thousand_tokens_of_one_storm_take_less_than_a_byte_each() -> None:
    tokens = Tokens()
    for token in range(1_000_000, 1_010_000):
        tokens.add(token)

    pages = tokens._pages
    assert sys.getsizeof(pages) + sum(map(sys.getsizeof, pages.values())) < 10_000


def test_of_tokens_that_lie_far_apart_the_oldest_are_forgotten() -> None:
    tokens = Tokens()
    for number in range(5_000):
        tokens.add(number << 10)

    assert 0 not in tokens
    assert all(number << 10 in tokens for number in range(1_000, 5_000))
    assert sys.getsizeof(tokens._pages) + sum(map(sys.getsizeof, tokens._pages.values())) < 500_000
