"""Who waits for whom: whether one more wait would close a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def path(start: str, goal: str, waits_for: Callable[[str], Iterable[str]]) -> tuple[str, ...] | None:
    """Return a shortest way from `start` to `goal`, both included, or None when there is none."""
    came_from = {start: ""}
    level = [start]
    while level:
        following: list[str] = []
        for holder in level:
            if holder == goal:
                way = [goal]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            for other in waits_for(holder):
                if other not in came_from:
                    came_from[other] = holder
                    following.append(other)
        level = following
    return None


def reach(starts: Iterable[str], waits_for: Callable[[str], Iterable[str]]) -> set[str]:
    """Return everybody that the `starts` wait for, directly or through others, themselves included."""
    seen = set(starts)
    todo = list(seen)
    while todo:
        for other in waits_for(todo.pop()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
