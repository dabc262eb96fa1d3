"""Cycles among tasks that require each other, found once per change of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def find_cycles(requires: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return for each key that lies on a cycle one such cycle, in order, beginning at its smallest key.

    Keys that only lead into a cycle are not on it. The walk is iterative, so that a chain of any
    length does not exhaust the stack.
    """
    found: dict[str, tuple[str, ...]] = {}
    done: set[str] = set()
    for start in requires:
        if start in done:
            continue
        path: list[str] = [start]
        position = {start: 0}
        branches = [iter(requires.get(start, ()))]
        while branches:
            following = next(branches[-1], None)
            if following is None:
                branches.pop()
                left = path.pop()
                del position[left]
                done.add(left)
            elif following in position:
                cycle = _rotated(path[position[following] :])
                for key in cycle:
                    found.setdefault(key, cycle)
            elif following not in done and following in requires:
                position[following] = len(path)
                path.append(following)
                branches.append(iter(requires[following]))
    return found


def _rotated(cycle: list[str]) -> tuple[str, ...]:
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])
