"""The names of one crowded directory in order from either end, for globs that match few of them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_TOP = "\U0010ffff"


class NameOrder:
    """Paths sorted forwards and by their mirror image; changes since are noted, then sorted in at need.

    It exists only where a glob has looked, so a directory that no glob looks at pays nothing.
    """

    __slots__ = ("_backward", "_changes", "_forward", "_fresh")

    def __init__(self, keys: Collection[str]) -> None:
        self._fresh: set[str] = set()
        self._sort(keys)

    def _sort(self, keys: Collection[str]) -> None:
        self._forward = sorted(keys)
        self._backward = sorted(key[::-1] for key in self._forward)
        self._fresh.clear()
        self._changes = 0

    def add(self, key: str) -> None:
        """Note a new path."""
        self._fresh.add(key)
        self._changes += 1

    def drop(self, key: str) -> None:
        """Note that a path has gone; until the next sorting it may still be among the answers."""
        self._fresh.discard(key)
        self._changes += 1

    def between(self, head: str, tail: str, keys: Collection[str]) -> list[str]:
        """Return paths that include all those of `keys` (what there is now) with this `head` and `tail`."""
        if self._changes > 64 + len(self._forward) // 8:
            self._sort(keys)
        low, high = _range(self._forward, head)
        start, end = _range(self._backward, tail[::-1])
        if high - low <= end - start:
            return [*self._forward[low:high], *self._fresh]
        return [*(key[::-1] for key in self._backward[start:end]), *self._fresh]


def _range(ordered: list[str], head: str) -> tuple[int, int]:
    return bisect_left(ordered, head), bisect_left(ordered, head + _TOP)
