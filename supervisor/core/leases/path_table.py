"""The claims of one repository by path: a request asks a few dictionaries, however many claims there are.

Claims on literal paths lie in the node of their parent directory, and a directory knows whether
anything is claimed below it, so a request looks up its own name, then climbs. Globs lie at the
directory that their literal prefix names: a path meets only the globs of its own ancestors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from supervisor.core.leases.lease import Mode
from supervisor.core.leases.path_node import C, Node, matching, meeting, on, subtree
from supervisor.core.leases.pattern import pattern
from supervisor.core.leases.scope import Kind, contains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervisor.core.leases.pattern import Pattern
    from supervisor.core.leases.scope import Scope

# An enum's member costs a descriptor call at each use; a module's name is looked up at once.
_FILE, _GLOB, _TREE = Kind.FILE, Kind.GLOB, Kind.TREE
_SHARED, _EXCLUSIVE = Mode.SHARED, Mode.EXCLUSIVE


class PathTable(Generic[C]):
    """The claims of one repository; `nodes` are the directories that have some, by path."""

    __slots__ = ("_top", "nodes")

    def __init__(self) -> None:
        # The root is a directory too and can be claimed, so it needs a parent to lie in.
        self._top: Node[C] = Node("", None)
        root = Node("", self._top)
        root.count = 1  # never empty, so never removed
        self.nodes: dict[str, Node[C]] = {"": root}

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
            node = (self.nodes.get(parent) or self._node(parent)) if key else self._top
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
            up: Node[C] | None = node
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
        key = scope.key
        if scope.kind is _FILE:
            # The one case that happens at each write: a single claim on a file.
            cut = key.rfind("/")
            node = self.nodes.get(key[:cut] if cut >= 0 else "")
            if node is None or node.files is None or key not in node.files:
                return None
            there = node.files[key]
            if not isinstance(there, list) and node.order is None:
                if there.holder != holder:
                    return None
                del node.files[key]
                self._less(node, there)
                return there
        else:
            node = self._home(scope)
        if node is None:
            return None
        for claim in on(node, scope):
            if claim.holder == holder:
                self._discard(node, claim)
                return claim
        return None

    def _discard(self, node: Node[C], claim: C) -> None:
        """Take `claim` out of `node`.

        Raises:
            KeyError: it is not in.
        """
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
        self._less(node, claim)

    def _less(self, node: Node[C], claim: C) -> None:
        """Count `claim` out of `node`, and take every directory out that is empty then."""
        if claim.mode is _EXCLUSIVE:
            up: Node[C] | None = node
            while up is not None:
                up.exclusive -= 1
                up = up.parent if not up.exclusive else None
        node.count -= 1
        while not node.count and (parent := node.parent) is not None:
            del self.nodes[node.key]
            if parent.children is not None:
                del parent.children[node.key]
            parent.count -= 1
            node = parent

    def _home(self, scope: Scope) -> Node[C] | None:
        """Return the directory in which claims on exactly `scope` lie, or None when it is not known."""
        key = scope.key
        if scope.kind is _GLOB:
            return self.nodes.get(pattern(key).anchor)
        if not key:
            return self._top
        cut = key.rfind("/")
        return self.nodes.get(key[:cut] if cut >= 0 else "")

    def _node(self, key: str) -> Node[C]:
        node = self.nodes.get(key)
        if node is None:
            cut = key.rfind("/")
            parent = self._node(key[:cut] if cut >= 0 else "")
            node = self.nodes[key] = Node(key, parent)
            parent.count += 1
            if parent.children is None:
                parent.children = {}
            parent.children[key] = node
        return node

    def _lowest(self, key: str) -> tuple[Node[C], str]:
        """Return the deepest known directory above `key`, and its child on the way there."""
        while True:
            cut = key.rfind("/")
            node = self.nodes.get(key[:cut] if cut >= 0 else "")
            if node is not None:
                return node, key
            key = key[:cut]

    def decisive(self, holder: str, scope: Scope, mode: Mode) -> C | None:
        """Return the one claim that answers a request, or None when the way is free.

        That is the holder's own claim which contains `scope` in a sufficient mode, or else the
        first conflict.
        """
        is_shared = mode is _SHARED
        key = scope.key
        has_below = True
        if scope.kind is _GLOB or not key:
            found = self.above(scope)
        else:
            cut = key.rfind("/")
            node = self.nodes.get(key[:cut] if cut >= 0 else "")
            if node is None:
                has_below = False
                node, key = self._lowest(key[:cut])
            elif node.children is None or key not in node.children:
                has_below = False
            found = _climb(node, key, scope, None)
        conflict: C | None = None
        for claim in found:
            if claim.holder != holder:
                if conflict is None and not (is_shared and claim.mode is _SHARED):
                    conflict = claim
            elif (is_shared or claim.mode is _EXCLUSIVE) and contains(claim.scope, scope):
                return claim
        if conflict is None and has_below:
            for claim in self.below(scope, exclusive=is_shared):
                if claim.holder != holder:
                    return claim
        return conflict

    def above(self, scope: Scope) -> Sequence[C]:
        """Return the claims that overlap `scope` and lie at its path or on the way up from there."""
        key = scope.key
        compiled: Pattern | None = None
        met: list[C] = []
        if scope.kind is _GLOB:
            compiled = pattern(key)
            key = compiled.anchor
            anchor = self.nodes.get(key)
            if anchor is not None and anchor.globs is not None:
                met = meeting(anchor.globs, scope, compiled)
        cut = key.rfind("/")
        node = self.nodes.get(key[:cut] if cut >= 0 else "") if key else self._top
        if node is None:
            node, key = self._lowest(key[:cut])
        found = _climb(node, key, scope, compiled)
        return [*met, *found] if met else found

    def below(self, scope: Scope, *, exclusive: bool) -> Iterator[C]:
        """Yield the claims that overlap `scope` and lie below its path; only exclusive ones if so asked."""
        if scope.kind is not _GLOB:
            node = self.nodes.get(scope.key)
            yield from subtree(node, exclusive=exclusive) if node is not None else ()
            return
        compiled = pattern(scope.key)
        node = self.nodes.get(compiled.anchor)
        if node is not None:
            yield from matching(node, scope, compiled, exclusive=exclusive)


def _climb(node: Node[C], key: str, scope: Scope, compiled: Pattern | None) -> Sequence[C]:
    """Return what `scope` meets on `key`, a child of `node`, and on every directory from `node` upwards."""
    found: list[C] | None = None
    up: Node[C] | None = node
    while up is not None:
        files = up.files
        if files is not None and key in files:
            there = files[key]
            found = [*(found or ()), *(there if isinstance(there, list) else (there,))]
        trees = up.trees
        if trees is not None and key in trees:
            there = trees[key]
            found = [*(found or ()), *(there if isinstance(there, list) else (there,))]
        if up.globs is not None:
            found = [*(found or ()), *meeting(up.globs, scope, compiled)]
        key = up.key
        up = up.parent
    return found if found is not None else ()
