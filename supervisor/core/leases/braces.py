"""Brace alternatives as shells write them: `src/{a,b}.py` is two texts."""

from __future__ import annotations

from itertools import pairwise

_LIMIT = 256


def expand(text: str) -> list[str]:
    """Return every text that `text` stands for, in order; a brace without a comma is ordinary.

    Raises:
        ValueError: there would be more than 256 of them.
    """
    done: list[str] = []
    todo = [text]
    while todo:
        current = todo.pop()
        group = _first_group(current)
        if group is None:
            done.append(current)
        else:
            start, commas, end = group
            cuts = [start, *commas, end]
            parts = [current[a + 1 : b] for a, b in pairwise(cuts)]
            todo.extend(current[:start] + part + current[end + 1 :] for part in reversed(parts))
        if len(done) + len(todo) > _LIMIT:
            raise ValueError(f"its braces stand for more than {_LIMIT} scopes; use a glob instead")
    return done


def _first_group(text: str) -> tuple[int, list[int], int] | None:
    """Return where the first brace with a comma opens, its own commas, and where it closes."""
    stack: list[tuple[int, list[int]]] = []
    best: tuple[int, list[int], int] | None = None
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            stack.append((at, []))
        elif char == "," and stack:
            stack[-1][1].append(at)
        elif char == "}" and stack:
            start, commas = stack.pop()
            if commas and (best is None or start < best[0]):
                best = (start, commas, at)
            if not stack and best is not None:
                return best
        at += 1
    return best
