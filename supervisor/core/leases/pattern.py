"""Glob patterns over paths: matching one path, and whether two patterns can match the same one.

`*`, `?` and `[...]` stay within one path segment and match a leading dot; `**` alone in a segment
stands for any number of segments, none included. A backslash takes the meaning from the next
character. Everything here works on comparison keys (see `scope`), never on raw file names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points that one character may be: sorted, inclusive, disjoint; `()` is nothing at all."""

_LAST = 0x10FFFF
_ANY: Ranges = ((0, _LAST),)
_SPECIAL = frozenset("\\*?[")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One unit of a segment as it is written; `ranges` is None for `*`."""

    text: str
    ranges: Ranges | None

    @property
    def literal(self) -> str | None:
        """Return the character this glyph stands for, or None when it is a wildcard."""
        return self.text[-1] if self.text[0] not in "*?[" else None


_STAR = Glyph("*", None)
_ONE = Glyph("?", _ANY)


def escape(literal: str) -> str:
    """Return the pattern that matches `literal` and nothing else."""
    return "".join("\\" + char if char in _SPECIAL else char for char in literal)


def lex(segment: str) -> tuple[Glyph, ...]:
    """Return the glyphs of one segment; an unclosed `[` is an ordinary character.

    Raises:
        ValueError: the segment ends with a backslash that escapes nothing.
    """
    glyphs: list[Glyph] = []
    at = 0
    while at < len(segment):
        char = segment[at]
        at += 1
        if char == "*":
            if not glyphs or glyphs[-1] is not _STAR:
                glyphs.append(_STAR)
        elif char == "?":
            glyphs.append(_ONE)
        elif char == "[" and (end := _class_end(segment, at)) > 0:
            glyphs.append(Glyph(segment[at - 1 : end], _class_ranges(segment[at : end - 1])))
            at = end
        else:
            if char == "\\":
                if at == len(segment):
                    raise ValueError("a backslash at the end of a name escapes nothing")
                char = segment[at]
                at += 1
            glyphs.append(Glyph(escape(char), ((ord(char), ord(char)),)))
    return tuple(glyphs)


def _class_end(segment: str, at: int) -> int:
    """Return the index after the `]` of the class whose `[` is before `at`, or -1."""
    if segment[at : at + 1] in ("!", "^"):
        at += 1
    first = True
    while at < len(segment):
        if segment[at] == "]" and not first:
            return at + 1
        at += 2 if segment[at] == "\\" else 1
        first = False
    return -1


def _class_ranges(body: str) -> Ranges:
    negated = body[0] in "!^" and len(body) > 1
    chars = re.findall(r"\\.|[^\\]", body[1:] if negated else body, re.DOTALL)
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(chars):
        low = high = ord(chars[at][-1])
        if at + 2 < len(chars) and chars[at + 1] == "-":
            high = ord(chars[at + 2][-1])
            at += 2
        spans.append((min(low, high), max(low, high)))
        at += 1
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return _complement(merged) if negated else tuple(merged)


def _complement(spans: list[tuple[int, int]]) -> Ranges:
    outside: list[tuple[int, int]] = []
    start = 0
    for low, high in spans:
        if low > start:
            outside.append((start, low - 1))
        start = high + 1
    if start <= _LAST:
        outside.append((start, _LAST))
    return tuple(outside)


def _share_a_character(a: Ranges, b: Ranges) -> bool:
    return any(low <= top and bottom <= high for low, high in a for bottom, top in b)


class Segment:
    """One segment of a pattern: `head` and `tail` are the literal text at its two ends."""

    __slots__ = ("_ranges", "_regex", "head", "literal", "tail")

    def __init__(self, text: str) -> None:
        glyphs = lex(text)
        self._ranges = tuple(glyph.ranges for glyph in glyphs)
        literals = [glyph.literal for glyph in glyphs]
        wild = [at for at, char in enumerate(literals) if char is None]
        self.literal = None if wild else "".join(char for char in literals if char)
        first, last = (wild[0], wild[-1]) if wild else (len(literals), -1)
        self.head = "".join(char for char in literals[:first] if char)
        self.tail = "".join(char for char in literals[last + 1 :] if char)
        simple = len(wild) == 1 and glyphs[first] is _STAR
        self._regex = None if simple or not wild else re.compile(_regex_of(self._ranges), re.DOTALL)

    def matches(self, name: str) -> bool:
        """Return whether `name`, one path segment, is matched."""
        if self.literal is not None:
            return name == self.literal
        if self._regex is not None:
            return self._regex.fullmatch(name) is not None
        return (
            len(name) >= len(self.head) + len(self.tail)
            and name.startswith(self.head)
            and name.endswith(self.tail)
        )

    def meets(self, other: Segment) -> bool:
        """Return whether some name is matched by both."""
        if self.literal is not None:
            return other.matches(self.literal)
        if other.literal is not None:
            return self.matches(other.literal)
        return _meet(self._ranges, other._ranges, _share_a_character)


def _regex_of(units: Iterable[Ranges | None]) -> str:
    parts: list[str] = []
    for ranges in units:
        if ranges is None:
            parts.append(".*")
        elif ranges == ():
            parts.append("(?!)")
        else:
            parts.append("[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]")
    return "".join(parts)


T = TypeVar("T")


def _meet(a: Sequence[T | None], b: Sequence[T | None], meets: Callable[[T, T], bool]) -> bool:
    """Return whether two sequences can stand for the same one, where `None` stands for any number of units.

    It walks the product of both automata; such a unit is left, or swallows the other side's next one.
    """
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        i, j = state
        if i == len(a) and j == len(b):
            return True
        if i < len(a) and a[i] is None:
            todo.append((i + 1, j))
            if j < len(b):
                todo.append((i, j + 1))
        if j < len(b) and b[j] is None:
            todo.append((i, j + 1))
            if i < len(a):
                todo.append((i + 1, j))
        if i < len(a) and j < len(b):
            left, right = a[i], b[j]
            if left is not None and right is not None and meets(left, right):
                todo.append((i + 1, j + 1))
    return False


class Pattern:
    """A parsed glob; `anchor` is the directory that its leading literal segments name.

    A set of automaton states is an integer whose bit i says that the first i segments are matched.
    """

    __slots__ = ("_closures", "accept", "anchor", "segments", "start")

    def __init__(self, key: str) -> None:
        self.segments = tuple(None if part == "**" else Segment(part) for part in key.split("/"))
        lead: list[str] = []
        for segment in self.segments:
            if segment is None or segment.literal is None:
                break
            lead.append(segment.literal)
        self.anchor = "/".join(lead)
        self.accept = 1 << len(self.segments)
        closures = [self.accept]
        for at in range(len(self.segments) - 1, -1, -1):
            closures.append(1 << at | (closures[-1] if self.segments[at] is None else 0))
        self._closures = tuple(reversed(closures))
        self.start = self._closures[len(lead)]

    def step(self, states: int, name: str) -> int:
        """Return the states after one more path segment; 0 when nothing below can match."""
        after = 0
        for at, segment in enumerate(self.segments):
            if states >> at & 1:
                if segment is None:
                    after |= self._closures[at]
                elif segment.matches(name):
                    after |= self._closures[at + 1]
        return after

    def after(self, at: int) -> int:
        """Return the states once segment `at` has been matched."""
        return self._closures[at + 1]

    def walk(self, key: str) -> int:
        """Return the states after the whole path `key`; the root is the empty string."""
        states = self._closures[0]
        if key:
            for name in key.split("/"):
                states = self.step(states, name)
                if not states:
                    break
        return states

    def matches(self, key: str) -> bool:
        """Return whether the path `key` is matched."""
        return bool(self.walk(key) & self.accept)

    def meets(self, other: Pattern) -> bool:
        """Return whether some path is matched by both; exact, so never false when there is one."""
        return _meet(self.segments, other.segments, Segment.meets)


@functools.lru_cache(maxsize=4096)
def pattern(key: str) -> Pattern:
    """Return the parsed glob for `key`; each is parsed once, however often it is compared."""
    return Pattern(key)
