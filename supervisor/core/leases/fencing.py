"""Fencing tokens: numbers that only grow, across restarts too, given out without touching the disk."""

from __future__ import annotations


class TokensExhausted(RuntimeError):  # noqa: N818  - says what has happened, as StopIteration does
    """Every token below the durable ceiling has been given; the ceiling must be raised first."""


class Tokens:
    """The counter behind every grant.

    `durable` is the last ceiling known to be on disk: a restart begins above it, so a number is
    never given twice even if the numbers below the ceiling were not all used. The world writes a
    higher ceiling, and only then calls `reserve`.
    """

    __slots__ = ("_ceiling", "_last")

    def __init__(self, durable: int = 0) -> None:
        if durable < 0:
            raise ValueError(f"durable ceiling {durable} must not be negative")
        self._last = durable
        self._ceiling = durable

    @property
    def last(self) -> int:
        """Return the highest token that may be in somebody's hands."""
        return self._last

    @property
    def ceiling(self) -> int:
        """Return the highest token that may be given before the next `reserve`."""
        return self._ceiling

    @property
    def left(self) -> int:
        """Return how many tokens can be taken before the next `reserve`."""
        return self._ceiling - self._last

    def demand(self, count: int) -> None:
        """Make sure that `count` tokens can be taken now.

        Raises:
            TokensExhausted: there are fewer; nothing was taken.
        """
        if self.left < count:
            raise TokensExhausted(
                f"fencing tokens are used up at {self._ceiling}; store a higher ceiling, then reserve it"
            )

    def take(self) -> int:
        """Return the next token.

        Raises:
            TokensExhausted: the ceiling is reached; nothing was taken.
        """
        if self._last >= self._ceiling:
            self.demand(1)
        self._last += 1
        return self._last

    def reserve(self, ceiling: int) -> None:
        """Allow tokens up to `ceiling`, which must be on disk already.

        Raises:
            ValueError: `ceiling` is below the present one; tokens never go back.
        """
        if ceiling < self._ceiling:
            raise ValueError(
                f"token ceiling {ceiling} is below the present {self._ceiling}; tokens only grow"
            )
        self._ceiling = ceiling

    def witness(self, token: int) -> None:
        """Never give `token`, which a living worker shows, nor any number below it."""
        if token > self._last:
            self._last = token
            self._ceiling = max(self._ceiling, token)
