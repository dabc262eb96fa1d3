"""Trying many at once: all together first, and by halves where that fails, until each one has its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Bisection(Generic[T]):
    """Groups to be tried, in order. What passes stays, so each group is tried on top of those before it."""

    _groups: list[tuple[T, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, items: Sequence[T]) -> Bisection[T]:
        """Return the plan that begins with all of them together."""
        return cls([tuple(items)] if items else [])

    def group(self) -> tuple[T, ...]:
        """Return what is to be tried next; empty when all have been answered."""
        return self._groups[0] if self._groups else ()

    def passed(self) -> None:
        """Take note that the group held."""
        del self._groups[0]

    def failed(self) -> T | None:
        """Take note that the group did not hold; return the one at fault, once it was alone."""
        group = self._groups.pop(0)
        if len(group) == 1:
            return group[0]
        half = len(group) // 2
        self._groups[:0] = [group[:half], group[half:]]
        return None
