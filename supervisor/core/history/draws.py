"""Draws from distributions that depend on a seed alone: the same decision, asked for twice, draws the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from statistics import NormalDist

from supervisor.core.pacing.retry import unit_hash

_NORMAL = NormalDist()
_LEAST = 2.0**-49  # a draw of exactly 0 or 1 has no place under the bell


def uniform(seed: str) -> float:
    """Return a number in [0, 1)."""
    return unit_hash(seed)


def beta(a: float, b: float, seed: str) -> float:
    """Return a draw from the Beta distribution.

    Raises:
        ValueError: a shape is less than one.
    """
    if min(a, b) < 1.0:
        raise ValueError(f"Beta({a}, {b}): shapes less than one are not drawn from here")
    x, y = _gamma(a, f"{seed}/a"), _gamma(b, f"{seed}/b")
    return x / (x + y)


def _gamma(shape: float, seed: str) -> float:
    """Draw by the method of Marsaglia and Tsang: nine of ten tries are taken."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    numbers = _uniforms(seed)
    while True:
        x = _NORMAL.inv_cdf(next(numbers))
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(next(numbers)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v


def _uniforms(seed: str) -> Iterator[float]:
    for number in count():
        yield min(1.0 - _LEAST, max(_LEAST, unit_hash(f"{seed}/{number}")))
