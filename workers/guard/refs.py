"""Which branches a held call would move: git keeps them as files, and moves them by renaming and removing these.

A branch is what its own file says, `refs/heads/NAME`, or else its line in `packed-refs`. Git writes either to a name
with `.lock` (or `.new`) and renames that; any other way to change them would be judged by nobody, and is refused.
"""

from __future__ import annotations

import os
import stat

from workers.guard.calls import MOVE, PASS_BY
from workers.guard.claims import Refused
from workers.guard.regular import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.calls import Target

ZERO = b"0" * 40
_HEADS = b"refs/heads/"
_LOCK = b".lock"


class Move:
    """A branch about to move; an object name of zeros stands for no branch, an old one also for any."""

    __slots__ = ("new", "old", "ref")

    def __init__(self, old: bytes, new: bytes, ref: bytes) -> None:
        self.old = old
        self.new = new
        self.ref = ref

    def line(self) -> bytes:
        """Return it as git's reference transactions have it."""
        return b"%s %s %s" % (self.old, self.new, self.ref)


class Refs:
    """The branches of the repository whose shared folder is `git_dir`."""

    __slots__ = ("_git_dir", "_heads", "_packed")

    def __init__(self, git_dir: bytes) -> None:
        self._git_dir = git_dir
        self._heads = git_dir + b"/" + _HEADS
        self._packed = git_dir + b"/packed-refs"

    def moves(self, named: list[Target], *, removes: bool) -> list[Move] | Refused:
        """Return the moves that a call with these targets would make; `removes` tells of an unlink.

        Of a rename both names are given.
        """
        for target in named:  # a loop, because `any` costs each held call twice as much
            if target.path.startswith(self._git_dir):
                break
        else:
            return []
        if any(target.deed == MOVE and self._holds(target.path) for target in named):
            return _unjudged(b"the folder of the branches")
        if len(named) == 2 and named[0].deed != PASS_BY:
            return self._renamed(named[0].path, named[1])
        for target in named:
            if target.deed == PASS_BY or not self._is_ref(target.path):
                continue
            return self._removed(target) if removes else _unjudged(self._ref(target.path))
        return []

    def _renamed(self, source: bytes, target: Target) -> list[Move] | Refused:
        if self._is_ref(source):
            return _unjudged(self._ref(source))
        if target.path == self._packed:
            return self._repacked(source)
        if not self._is_ref(target.path):
            return []
        ref = self._ref(target.path)
        if not source.endswith(_LOCK) or not _is_file(source):
            return _unjudged(ref)
        new = _value(source)
        if new is None:  # a symbolic reference, or none of git's: the branch is none of its own any more
            exists = target.status is not None or ref in _packed(self._packed)
            return [Move(_value(target.path) or ZERO, ZERO, ref)] if exists else []
        old = _value(target.path) or ZERO
        return [Move(old, new, ref)] if old != new else []

    def _removed(self, target: Target) -> list[Move]:
        """Without its own file a branch is what is packed."""
        if target.path == self._packed:
            return self._repacked(b"")
        ref = self._ref(target.path)
        old, new = _value(target.path), _packed(self._packed).get(ref)
        if new is None and not _is_file(target.path):
            return []  # a pipe or a link: no branch
        return [Move(old or ZERO, new or ZERO, ref)] if old != new or old is None else []

    def _repacked(self, source: bytes) -> list[Move]:
        old, new = _packed(self._packed), _packed(source)
        changed = [ref for ref in old | new if old.get(ref) != new.get(ref)]
        return [
            Move(old.get(ref, ZERO), new.get(ref, ZERO), ref)
            for ref in changed
            if not _is_file(self._git_dir + b"/" + ref)
        ]

    def _is_ref(self, path: bytes) -> bool:
        return path == self._packed or (path.startswith(self._heads) and not path.endswith(_LOCK))

    def _holds(self, folder: bytes) -> bool:
        """Tell whether a folder is of the branches, or around them and git's own."""
        folder = folder.rstrip(b"/") + b"/"
        return folder.startswith(self._heads) or (
            self._heads.startswith(folder) and len(folder) > len(self._git_dir)
        )

    def _ref(self, path: bytes) -> bytes:
        return path[len(self._git_dir) + 1 :]


def _unjudged(what: bytes) -> Refused:
    shown = what.decode("utf-8", "replace")
    why = f"{shown} may be written in git's own way only, which is judged; `git update-ref` moves a branch"
    return Refused(why, late=False)


def _is_file(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _value(path: bytes) -> bytes | None:
    """Return the object that a reference file names, or `None`."""
    try:
        with open(open_regular(path), "rb") as file:
            content = file.read(256).strip()
    except OSError:
        return None
    return content if content and not content.startswith(b"ref:") and content.isalnum() else None


def _packed(path: bytes) -> dict[bytes, bytes]:
    """Return the branches in a file of packed references, by name; none when it is not there."""
    found: dict[bytes, bytes] = {}
    try:
        with open(open_regular(path), "rb") as file:
            for line in file:
                value, _, ref = line.rstrip(b"\n").partition(b" ")
                if ref.startswith(_HEADS):
                    found[ref] = value
    except OSError:
        return found
    return found
