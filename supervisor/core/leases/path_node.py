"""One directory of the lease index: what is claimed in it, and what a scope meets in and below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from supervisor.core.leases.lease import Mode
from supervisor.core.leases.name_order import NameOrder
from supervisor.core.leases.pattern import pattern
from supervisor.core.leases.scope import Kind, glob_meets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from supervisor.core.leases.pattern import Pattern
    from supervisor.core.leases.scope import Scope

_GLOB, _TREE, _EXCLUSIVE = Kind.GLOB, Kind.TREE, Mode.EXCLUSIVE

# Below this many names, looking at each is cheaper than keeping them in order.
_CROWDED = 48


class Claim(Protocol):
    """Anything that claims a scope for somebody: a lease, or a waiter's want."""

    @property
    def holder(self) -> str:
        """Return whose claim it is."""
        ...

    @property
    def scope(self) -> Scope:
        """Return what is claimed."""
        ...

    @property
    def mode(self) -> Mode:
        """Return how it is claimed."""
        ...


C = TypeVar("C", bound=Claim)


class Node(Generic[C]):
    """A directory that has claims at or below it; the containers exist only while they have something.

    `files` and `trees` are keyed by the child's full path, and hold one claim or a list of them.
    `count` is the number of claims that lie here, and of children; `exclusive` that of exclusive
    claims here, and of children below which there are some. So a change climbs no further than it matters.
    """

    __slots__ = ("children", "count", "exclusive", "files", "globs", "key", "order", "parent", "trees")

    def __init__(self, key: str, parent: Node[C] | None) -> None:
        self.key = key
        self.parent = parent
        self.count = 0
        self.exclusive = 0
        self.files: dict[str, C | list[C]] | None = None
        self.trees: dict[str, C | list[C]] | None = None
        self.globs: list[C] | None = None
        self.children: dict[str, Node[C]] | None = None
        self.order: NameOrder | None = None

    def literals(self) -> Iterator[C]:
        """Yield all literal claims on children."""
        for shelf in (self.files, self.trees):
            for there in shelf.values() if shelf is not None else ():
                if isinstance(there, list):
                    yield from there
                else:
                    yield there


def on(node: Node[C], scope: Scope) -> Sequence[C]:
    """Return the claims in `node` on exactly this scope."""
    if scope.kind is _GLOB:
        return [claim for claim in node.globs or () if claim.scope.key == scope.key]
    shelf = node.trees if scope.kind is _TREE else node.files
    there = shelf.get(scope.key) if shelf is not None else None
    if there is None:
        return ()
    return there if isinstance(there, list) else (there,)


def meeting(globs: list[C], scope: Scope, compiled: Pattern | None) -> list[C]:
    """Return those of `globs` that overlap `scope`, whose pattern is `compiled` if it is a glob."""
    if compiled is None:
        return [claim for claim in globs if glob_meets(claim.scope, scope)]
    return [claim for claim in globs if compiled.meets(pattern(claim.scope.key))]


def subtree(node: Node[C], *, exclusive: bool) -> Iterator[C]:
    """Yield all claims in and below `node`; only exclusive ones if so asked."""
    todo = [node]
    while todo:
        node = todo.pop()
        if exclusive and not node.exclusive:
            continue
        for claim in node.literals():
            if not exclusive or claim.mode is _EXCLUSIVE:
                yield claim
        for claim in node.globs or ():
            if not exclusive or claim.mode is _EXCLUSIVE:
                yield claim
        if node.children is not None:
            todo.extend(node.children.values())


def matching(anchor: Node[C], scope: Scope, compiled: Pattern, *, exclusive: bool) -> Iterator[C]:
    """Yield the claims below `anchor`, the glob's own, that it meets; only exclusive ones if so asked."""
    todo = [(anchor, compiled.start)]
    while todo:
        node, states = todo.pop()
        if exclusive and not node.exclusive:
            continue
        for claim in _matched_literals(node, compiled, states):
            if not exclusive or claim.mode is _EXCLUSIVE:
                yield claim
        # The globs of the anchor itself were met on the way up.
        if node is not anchor and node.globs is not None:
            for claim in meeting(node.globs, scope, compiled):
                if not exclusive or claim.mode is _EXCLUSIVE:
                    yield claim
        if node.children is not None:
            start = len(node.key) + 1 if node.key else 0
            for child in node.children.values():
                after = compiled.step(states, child.key[start:])
                if after:
                    todo.append((child, after))


def _matched_literals(node: Node[C], compiled: Pattern, states: int) -> Iterator[C]:
    """Yield the literal claims on children of `node` that the pattern, in `states` there, can meet."""
    start = len(node.key) + 1 if node.key else 0
    for key, there in node.trees.items() if node.trees is not None else ():
        if compiled.step(states, key[start:]):
            yield from there if isinstance(there, list) else (there,)
    files = node.files
    if files is not None:
        for key in _candidates(node, files, compiled, states):
            if key in files and compiled.step(states, key[start:]) & compiled.accept:
                there = files[key]
                yield from there if isinstance(there, list) else (there,)


def _candidates(
    node: Node[C], files: dict[str, C | list[C]], compiled: Pattern, states: int
) -> Collection[str]:
    """Return names among which every match is: those that share the ends of a glob's last segment."""
    names: set[str] = set()
    prefix = node.key + "/" if node.key else ""
    is_crowded = len(files) >= _CROWDED
    for at, segment in enumerate(compiled.segments):
        if not (states >> at & 1 and compiled.after(at) & compiled.accept):
            continue
        if segment is None or not (segment.head or segment.tail):
            return list(files)
        if segment.literal is not None:
            names.add(prefix + segment.literal)
        elif not is_crowded:
            head, tail = prefix + segment.head, segment.tail
            names.update([key for key in files if key.endswith(tail) and key.startswith(head)])
        else:
            if node.order is None:
                node.order = NameOrder(files)
            names.update(node.order.between(prefix + segment.head, segment.tail, files))
    return names
