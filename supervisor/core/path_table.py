"""The claims of one repository by path: a request asks a few dictionaries, however many claims there are.

Claims on literal paths lie in the node of their parent directory, and each node knows how many
claims are at or below it, so a request looks up its own name, then climbs. Globs lie at the
directory that their literal prefix names: a path meets only the globs of its own ancestors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from supervisor.core.lease import Mode
from supervisor.core.name_order import NameOrder
from supervisor.core.pattern import pattern
from supervisor.core.scope import Kind, glob_meets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from supervisor.core.pattern import Pattern
    from supervisor.core.scope import Scope

# An enum's member costs a descriptor call at each use; a module's name is looked up at once.
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


class _Node(Generic[C]):
    """A directory that has claims at or below it; the containers exist only while they have something.

    `files` and `trees` are keyed by the child's full path, and hold one claim or a list of them.
    `count` is the number of claims that lie here, and of children; `exclusive` that of exclusive
    claims here, and of children below which there are some. So a change climbs no further than it matters.
    """

    __slots__ = ("children", "count", "exclusive", "files", "globs", "key", "order", "parent", "trees")

    def __init__(self, key: str, parent: _Node[C] | None) -> None:
        self.key = key
        self.parent = parent
        self.count = 0
        self.exclusive = 0
        self.files: dict[str, C | list[C]] | None = None
        self.trees: dict[str, C | list[C]] | None = None
        self.globs: list[C] | None = None
        self.children: dict[str, _Node[C]] | None = None
        self.order: NameOrder | None = None

    def literals(self) -> Iterator[C]:
        """Yield all literal claims on children."""
        for shelf in (self.files, self.trees):
            for there in shelf.values() if shelf is not None else ():
                if isinstance(there, list):
                    yield from there
                else:
                    yield there


class PathTable(Generic[C]):
    """The claims of one repository."""

    __slots__ = ("_nodes", "_top")

    def __init__(self) -> None:
        # The root is a directory too and can be claimed, so it needs a parent to lie in.
        self._top: _Node[C] = _Node("", None)
        root = _Node("", self._top)
        root.count = 1  # never empty, so never removed
        self._nodes: dict[str, _Node[C]] = {"": root}

    def add(self, claim: C) -> None:
        """Put `claim` in."""
        scope = claim.scope
        key = scope.key
        kind = scope.kind
        if kind is _GLOB:
            node = self._node(pattern(key).anchor)
            if node.globs is None:
                node.globs = [claim]
            else:
                node.globs.append(claim)
        else:
            cut = key.rfind("/")
            parent = key[:cut] if cut >= 0 else ""
            node = (self._nodes.get(parent) or self._node(parent)) if key else self._top
            shelf = node.trees if kind is _TREE else node.files
            if shelf is None:
                shelf = {}
                if kind is _TREE:
                    node.trees = shelf
                else:
                    node.files = shelf
            there = shelf.get(key)
            if there is None:
                shelf[key] = claim
                if node.order is not None and kind is not _TREE:
                    node.order.add(key)
            elif isinstance(there, list):
                there.append(claim)
            else:
                shelf[key] = [there, claim]
        node.count += 1
        if claim.mode is _EXCLUSIVE:
            up: _Node[C] | None = node
            while up is not None:
                up.exclusive += 1
                up = up.parent if up.exclusive == 1 else None

    def remove(self, claim: C) -> None:
        """Take `claim` out again.

        Raises:
            KeyError: it is not in.
        """
        node = self._home(claim.scope)
        if node is None:
            raise KeyError(claim.scope.text)
        self._discard(node, claim)

    def take(self, holder: str, scope: Scope) -> C | None:
        """Take out the holder's claim on exactly this scope and return it; None when there is none."""
        node = self._home(scope)
        if node is not None:
            for claim in _on(node, scope):
                if claim.holder == holder:
                    self._discard(node, claim)
                    return claim
        return None

    def _discard(self, node: _Node[C], claim: C) -> None:
        """Take `claim` out of `node`, and every directory out that is empty then."""
        scope = claim.scope
        key = scope.key
        if scope.kind is _GLOB:
            globs = node.globs or []
            if claim not in globs:
                raise KeyError(scope.text)
            globs.remove(claim)
            node.globs = globs or None
        else:
            shelf = node.trees if scope.kind is _TREE else node.files
            there = shelf.get(key) if shelf is not None else None
            if shelf is None or there is None or (isinstance(there, list) and claim not in there):
                raise KeyError(scope.text)
            if isinstance(there, list):
                there.remove(claim)
                if len(there) == 1:
                    shelf[key] = there[0]
            else:
                del shelf[key]
                if node.order is not None and scope.kind is not _TREE:
                    node.order.drop(key)
        if claim.mode is _EXCLUSIVE:
            up: _Node[C] | None = node
            while up is not None:
                up.exclusive -= 1
                up = up.parent if not up.exclusive else None
        node.count -= 1
        while not node.count and (parent := node.parent) is not None:
            del self._nodes[node.key]
            if parent.children is not None:
                del parent.children[node.key]
            parent.count -= 1
            node = parent

    def _home(self, scope: Scope) -> _Node[C] | None:
        """Return the directory in which claims on exactly `scope` lie, or None when it is not known."""
        key = scope.key
        if scope.kind is _GLOB:
            return self._nodes.get(pattern(key).anchor)
        if not key:
            return self._top
        cut = key.rfind("/")
        return self._nodes.get(key[:cut] if cut >= 0 else "")

    def _node(self, key: str) -> _Node[C]:
        node = self._nodes.get(key)
        if node is None:
            cut = key.rfind("/")
            parent = self._node(key[:cut] if cut >= 0 else "")
            node = self._nodes[key] = _Node(key, parent)
            parent.count += 1
            if parent.children is None:
                parent.children = {}
            parent.children[key] = node
        return node

    def _lowest(self, key: str) -> tuple[_Node[C], str]:
        """Return the deepest known directory above `key`, and its child on the way there."""
        while True:
            cut = key.rfind("/")
            node = self._nodes.get(key[:cut] if cut >= 0 else "")
            if node is not None:
                return node, key
            key = key[:cut]

    def above(self, scope: Scope) -> Sequence[C]:
        """Return the claims that overlap `scope` and lie at its path or on the way up from there."""
        key = scope.key
        compiled: Pattern | None = None
        node: _Node[C] | None
        found: list[C] | None = None
        if scope.kind is _GLOB:
            compiled = pattern(key)
            key = compiled.anchor
            own = self._nodes.get(key)
            if own is not None and own.globs is not None:
                found = _meeting(own.globs, scope, compiled)
        cut = key.rfind("/")
        node = self._nodes.get(key[:cut] if cut >= 0 else "") if key else self._top
        if node is None:
            node, key = self._lowest(key[:cut])
        while node is not None:
            files = node.files
            if files is not None and key in files:
                there = files[key]
                found = [*(found or ()), *(there if isinstance(there, list) else (there,))]
            trees = node.trees
            if trees is not None and key in trees:
                there = trees[key]
                found = [*(found or ()), *(there if isinstance(there, list) else (there,))]
            if node.globs is not None:
                found = [*(found or ()), *_meeting(node.globs, scope, compiled)]
            key = node.key
            node = node.parent
        return found if found is not None else ()

    def below(self, scope: Scope, *, exclusive: bool) -> Iterator[C]:
        """Yield the claims that overlap `scope` and lie below its path; only exclusive ones if so asked."""
        if scope.kind is not _GLOB:
            node = self._nodes.get(scope.key)
            yield from _subtree(node, exclusive=exclusive) if node is not None else ()
            return
        compiled = pattern(scope.key)
        node = self._nodes.get(compiled.anchor)
        if node is not None:
            yield from _matching(node, scope, compiled, exclusive=exclusive)

    def is_bare(self, scope: Scope) -> bool:
        """Return whether nothing at all lies below the path of a literal scope."""
        return scope.kind is not _GLOB and scope.key not in self._nodes


def _on(node: _Node[C], scope: Scope) -> Sequence[C]:
    """Return the claims in `node` on exactly this scope."""
    if scope.kind is _GLOB:
        return [claim for claim in node.globs or () if claim.scope.key == scope.key]
    shelf = node.trees if scope.kind is _TREE else node.files
    there = shelf.get(scope.key) if shelf is not None else None
    if there is None:
        return ()
    return there if isinstance(there, list) else (there,)


def _meeting(globs: list[C], scope: Scope, compiled: Pattern | None) -> list[C]:
    """Return those of `globs` that overlap `scope`, whose pattern is `compiled` if it is a glob."""
    if compiled is None:
        return [claim for claim in globs if glob_meets(claim.scope, scope)]
    return [claim for claim in globs if compiled.meets(pattern(claim.scope.key))]


def _subtree(node: _Node[C], *, exclusive: bool) -> Iterator[C]:
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


def _matching(anchor: _Node[C], scope: Scope, compiled: Pattern, *, exclusive: bool) -> Iterator[C]:
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
            for claim in _meeting(node.globs, scope, compiled):
                if not exclusive or claim.mode is _EXCLUSIVE:
                    yield claim
        if node.children is not None:
            start = len(node.key) + 1 if node.key else 0
            for child in node.children.values():
                after = compiled.step(states, child.key[start:])
                if after:
                    todo.append((child, after))


def _matched_literals(node: _Node[C], compiled: Pattern, states: int) -> Iterator[C]:
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
    node: _Node[C], files: dict[str, C | list[C]], compiled: Pattern, states: int
) -> Collection[str]:
    """Return names among which every match is: in a crowded directory those that share the glob's ends."""
    if len(files) < _CROWDED:
        return list(files)
    names: set[str] = set()
    prefix = node.key + "/" if node.key else ""
    for at, segment in enumerate(compiled.segments):
        if not (states >> at & 1 and compiled.after(at) & compiled.accept):
            continue
        if segment is None or not (segment.head or segment.tail):
            return list(files)
        if segment.literal is not None:
            names.add(prefix + segment.literal)
        else:
            if node.order is None:
                node.order = NameOrder(files)
            names.update(node.order.between(prefix + segment.head, segment.tail, files))
    return names
