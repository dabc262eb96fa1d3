"""Bisection of a batch: every one gets its answer, whoever is not at fault comes in, with few checks."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.decisions.bisection import Bisection


@given(st.integers(0, 40), st.sets(st.integers(0, 39)))
def test_each_one_is_answered_once_in_order_and_only_the_bad_are_blamed(size: int, marked: set[int]) -> None:
    bad = {item for item in marked if item < size}
    plan = Bisection.of(range(size))
    landed: list[int] = []
    blamed: list[int] = []
    checks = 0

    while group := plan.group():
        checks += 1
        if bad & set(group):
            culprit = plan.failed()
            if culprit is not None:
                blamed.append(culprit)
        else:
            landed += group
            plan.passed()

    assert blamed == sorted(bad)
    assert landed == [item for item in range(size) if item not in bad]
    if size:
        assert checks <= 1 + 2 * len(bad) * math.ceil(math.log2(size))
