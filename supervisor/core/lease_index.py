"""Which claims overlap a scope: an index that asks a few dictionaries, however many claims there are.

Claims on literal paths lie in the node of their parent directory, and each node knows how many
claims are at or below it, so a request looks up its own name, then climbs. Globs lie at the
directory that their literal prefix names: a path meets only the globs of its own ancestors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from supervisor.core.lease import Mode
from supervisor.core.name_order import NameOrder
from supervisor.core.pattern import pattern
from supervisor.core.scope import Kind, contains, glob_meets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.pattern import Pattern
    from supervisor.core.scope import Scope


class Claim(Protocol):
    """Anything that claims a scope for somebody: a lease, or a waiter's want."""

    @property
    def holder(self) -> str: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def mode(self) -> Mode: ...


C = TypeVar("C", bound=Claim)

# Below this many names, looking at each is cheaper than keeping them in order.
_CROWDED = 48


class _Node(Generic[C]):
    """A directory that has claims at or below it; the dictionaries exist only when they have something.

    `files` and `trees` are keyed by the child's full path, and hold one claim or a list of them.
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


class PathTable(Generic[C]):
    """The claims of one repository."""

    __slots__ = ("_nodes", "_root", "_top")

    def __init__(self) -> None:
        # The root is a directory too and can be claimed, so it needs a parent to lie in.
        self._top: _Node[C] = _Node("", None)
        self._root: _Node[C] = _Node("", self._top)
        self._nodes: dict[str, _Node[C]] = {"": self._root}
        self._top.children = {"": self._root}

    def __len__(self) -> int:
        return self._top.count

    def add(self, claim: C) -> None:
        """Put `claim` in."""
        scope = claim.scope
        if scope.kind is Kind.GLOB:
            node = self._node(pattern(scope.key).anchor)
            if node.globs is None:
                node.globs = []
            node.globs.append(claim)
        else:
            key = scope.key
            node = self._node(key[: key.rfind("/")] if "/" in key else "") if key else self._top
            if scope.kind is Kind.TREE:
                shelf = node.trees
                if shelf is None:
                    shelf = node.trees = {}
            else:
                shelf = node.files
                if shelf is None:
                    shelf = node.files = {}
            there = shelf.get(key)
            if there is None:
                shelf[key] = claim
                if node.order is not None:
                    node.order.add(key)
            elif isinstance(there, list):
                there.append(claim)
            else:
                shelf[key] = [there, claim]
        self._count(node, 1, 1 if claim.mode is Mode.EXCLUSIVE else 0)

    def remove(self, claim: C) -> None:
        """Take `claim`, which is in, out again, and every directory that is then empty."""
        scope = claim.scope
        if scope.kind is Kind.GLOB:
            node = self._nodes[pattern(scope.key).anchor]
            globs = node.globs
            if globs is None:
                raise KeyError(scope.text)
            globs.remove(claim)
            if not globs:
                node.globs = None
        else:
            key = scope.key
            node = self._nodes[key[: key.rfind("/")] if "/" in key else ""] if key else self._top
            shelf = node.trees if scope.kind is Kind.TREE else node.files
            if shelf is None:
                raise KeyError(scope.text)
            there = shelf[key]
            if isinstance(there, list):
                there.remove(claim)
                if len(there) == 1:
                    shelf[key] = there[0]
            else:
                del shelf[key]
                if node.order is not None:
                    node.order.drop(key)
        self._count(node, -1, -1 if claim.mode is Mode.EXCLUSIVE else 0)
        while node.count == 0 and node.parent is not None and node is not self._root:
            del self._nodes[node.key]
            parent = node.parent
            if parent.children is not None:
                del parent.children[node.key]
            node = parent

    def _count(self, node: _Node[C] | None, claims: int, exclusive: int) -> None:
        while node is not None:
            node.count += claims
            node.exclusive += exclusive
            node = node.parent

    def _node(self, key: str) -> _Node[C]:
        node = self._nodes.get(key)
        if node is None:
            parent = self._node(key[: key.rfind("/")] if "/" in key else "")
            node = self._nodes[key] = _Node(key, parent)
            if parent.children is None:
                parent.children = {}
            parent.children[key] = node
        return node

    def _lowest(self, key: str) -> tuple[_Node[C], bool]:
        """Return the deepest known directory that is `key` or above it, and whether it is `key`."""
        node = self._nodes.get(key)
        if node is not None:
            return node, True
        while True:
            key = key[: key.rfind("/")] if "/" in key else ""
            node = self._nodes.get(key)
            if node is not None:
                return node, False

    def above(self, scope: Scope) -> list[C]:
        """Return the claims that overlap `scope` and lie at its path or on the way up from there."""
        found: list[C] = []
        key = scope.key
        compiled: Pattern | None = None
        node: _Node[C] | None
        if scope.kind is Kind.GLOB:
            compiled = pattern(key)
            node, is_there = self._lowest(compiled.anchor)
            if not is_there:
                _collect(node, _child_towards(node.key, compiled.anchor), found)
        elif key:
            parent = key[: key.rfind("/")] if "/" in key else ""
            node = self._nodes.get(parent)
            if node is None:
                node, _ = self._lowest(parent)
                _collect(node, _child_towards(node.key, key), found)
            else:
                _collect(node, key, found)
        else:
            node = self._top
            _collect(node, key, found)
        while node is not None:
            if node.globs is not None:
                for claim in node.globs:
                    if compiled is not None:
                        if compiled.meets(pattern(claim.scope.key)):
                            found.append(claim)
                    elif glob_meets(claim.scope, scope):
                        found.append(claim)
            parent_node = node.parent
            if parent_node is not None:
                _collect(parent_node, node.key, found)
            node = parent_node
        return found

    def below(self, scope: Scope, *, exclusive: bool) -> Iterator[C]:
        """Yield the claims that overlap `scope` and lie below its path; only exclusive ones if so asked."""
        if scope.kind is Kind.GLOB:
            compiled = pattern(scope.key)
            node = self._nodes.get(compiled.anchor)
            if node is not None:
                yield from self._below_glob(node, compiled, compiled.start, exclusive=exclusive)
            return
        node = self._nodes.get(scope.key)
        if node is None:
            return
        todo = [node]
        while todo:
            node = todo.pop()
            if exclusive and not node.exclusive:
                continue
            for claim in _literals(node):
                if not exclusive or claim.mode is Mode.EXCLUSIVE:
                    yield claim
            for claim in node.globs or ():
                if not exclusive or claim.mode is Mode.EXCLUSIVE:
                    yield claim
            todo.extend(node.children.values() if node.children is not None else ())

    def _below_glob(self, node: _Node[C], compiled: Pattern, states: int, *, exclusive: bool) -> Iterator[C]:
        todo = [(node, states)]
        while todo:
            node, states = todo.pop()
            if exclusive and not node.exclusive:
                continue
            for claim in _matched(node, compiled, states):
                if not exclusive or claim.mode is Mode.EXCLUSIVE:
                    yield claim
            for claim in node.globs or ():
                if node.key != compiled.anchor and (not exclusive or claim.mode is Mode.EXCLUSIVE):
                    if compiled.meets(pattern(claim.scope.key)):
                        yield claim
            if node.children is not None:
                start = len(node.key) + 1 if node.key else 0
                for child in node.children.values():
                    after = compiled.step(states, child.key[start:])
                    if after:
                        todo.append((child, after))


def _collect(node: _Node[C], child: str, found: list[C]) -> None:
    """Add the literal claims of `node` on its child with the path `child`."""
    for shelf in (node.files, node.trees):
        if shelf is not None:
            there = shelf.get(child)
            if isinstance(there, list):
                found.extend(there)
            elif there is not None:
                found.append(there)


def _child_towards(directory: str, key: str) -> str:
    """Return the child of `directory` on the way to `key`, which lies below it."""
    end = key.find("/", len(directory) + 1 if directory else 0)
    return key if end < 0 else key[:end]


def _literals(node: _Node[C]) -> Iterator[C]:
    for shelf in (node.files, node.trees):
        for there in shelf.values() if shelf is not None else ():
            if isinstance(there, list):
                yield from there
            else:
                yield there


def _matched(node: _Node[C], compiled: Pattern, states: int) -> Iterator[C]:
    """Yield the literal claims in `node` that the pattern in `states` can meet."""
    start = len(node.key) + 1 if node.key else 0
    if node.trees is not None:
        for key, there in node.trees.items():
            if compiled.step(states, key[start:]):
                yield from there if isinstance(there, list) else (there,)
    files = node.files
    if files is not None:
        for key in _candidates(node, files, compiled, states, start):
            there_or_none = files.get(key)
            if there_or_none is not None and compiled.step(states, key[start:]) & compiled.accept:
                yield from there_or_none if isinstance(there_or_none, list) else (there_or_none,)


def _candidates(
    node: _Node[C], files: dict[str, C | list[C]], compiled: Pattern, states: int, start: int
) -> Iterable[str]:
    """Return names among which every match is: in a crowded directory those that share the glob's ends."""
    if len(files) < _CROWDED:
        return list(files)
    names: set[str] = set()
    prefix = node.key + "/" if node.key else ""
    for at, segment in enumerate(compiled.segments):
        if not states >> at & 1 or not compiled.after(at) & compiled.accept:
            continue
        if segment is None or not (segment.head or segment.tail):
            return list(files)
        if segment.literal is not None:
            names.add(prefix + segment.literal)
            continue
        if node.order is None:
            node.order = NameOrder(files)
        names.update(node.order.between(prefix + segment.head, segment.tail, files))
    return names


class LeaseIndex(Generic[C]):
    """The claims of all repositories and, under the empty name, of the machine's resources."""

    __slots__ = ("_size", "_tables")

    def __init__(self) -> None:
        self._tables: dict[str, PathTable[C]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, claim: C) -> None:
        """Put `claim` in."""
        repo = claim.scope.repo
        table = self._tables.get(repo)
        if table is None:
            table = self._tables[repo] = PathTable()
        table.add(claim)
        self._size += 1

    def remove(self, claim: C) -> None:
        """Take `claim` out.

        Raises:
            KeyError: it is not in.
        """
        self._tables[claim.scope.repo].remove(claim)
        self._size -= 1

    def overlapping(self, scope: Scope) -> Iterator[C]:
        """Yield every claim that overlaps `scope`, each once."""
        table = self._tables.get(scope.repo)
        if table is not None:
            yield from table.above(scope)
            yield from table.below(scope, exclusive=False)

    def conflicts(self, holder: str, scope: Scope, mode: Mode) -> Iterator[C]:
        """Yield every claim of somebody else that cannot stand beside `holder` having `scope` in `mode`."""
        table = self._tables.get(scope.repo)
        if table is None:
            return
        is_shared = mode is Mode.SHARED
        for claim in table.above(scope):
            if claim.holder != holder and not (is_shared and claim.mode is Mode.SHARED):
                yield claim
        for claim in table.below(scope, exclusive=is_shared):
            if claim.holder != holder:
                yield claim

    def decisive(self, holder: str, scope: Scope, mode: Mode) -> C | None:
        """Return the one claim that answers a request, or None when the way is free.

        That is the holder's own claim which contains `scope` in a sufficient mode, or else the
        first conflict.
        """
        table = self._tables.get(scope.repo)
        if table is None:
            return None
        is_shared = mode is Mode.SHARED
        conflict: C | None = None
        for claim in table.above(scope):
            if claim.holder != holder:
                if conflict is None and not (is_shared and claim.mode is Mode.SHARED):
                    conflict = claim
            elif (is_shared or claim.mode is Mode.EXCLUSIVE) and contains(claim.scope, scope):
                return claim
        if conflict is None:
            for claim in table.below(scope, exclusive=is_shared):
                if claim.holder != holder:
                    return claim
        return conflict

    def exactly(self, holder: str, scope: Scope) -> C | None:
        """Return the holder's claim on this very scope, if there is one."""
        table = self._tables.get(scope.repo)
        if table is not None:
            for claim in table.above(scope):
                theirs = claim.scope
                if claim.holder == holder and theirs.kind is scope.kind and theirs.key == scope.key:
                    return claim
        return None

    def upwards(self, scope: Scope) -> list[C]:
        """Return the claims that overlap `scope` from its own path upwards: all that can contain it."""
        table = self._tables.get(scope.repo)
        return [] if table is None else table.above(scope)
