"""The work tree that leases cover, and which of its paths are nobody's: git's own."""

from __future__ import annotations

import os


class Ground:
    """A repository's work tree. `root` is absolute and free of links; paths in it are bytes relative to it."""

    __slots__ = ("_prefix", "root")

    def __init__(self, root: bytes) -> None:
        self.root = root
        self._prefix = root.rstrip(b"/") + b"/"

    def relative(self, path: bytes) -> bytes | None:
        """Return the path within the work tree, `b""` for the tree itself or a folder above it, else `None`.

        A folder above counts, because to move it is to move the whole tree.
        """
        if path.startswith(self._prefix):
            return path[len(self._prefix) :]
        if path == self.root or self.root.startswith(path.rstrip(b"/") + b"/"):
            return b""
        return None

    def is_home_of(self, folder: bytes) -> bool:
        """Tell whether an absolute folder is in this work tree, and not in another repository inside it."""
        path = self.relative(folder)
        if path is None or (path == b"" and folder != self.root):
            return False
        while path:
            if _is_repository(self._prefix + path + b"/.git"):
                return False
            path = path.rpartition(b"/")[0]
        return True

    def is_gits(self, relative: bytes) -> bool:
        """Tell whether a path is git's own: its folder, or that of a repository inside this one."""
        return b".git" in relative.lower() and b".git" in relative.lower().split(b"/")


def _is_repository(at: bytes) -> bool:
    """Tell whether git stops at this `.git` on its way up: one that has not what a repository has, it passes over."""
    if not os.path.isdir(at):
        return os.path.exists(at)
    if not os.path.lexists(at + b"/HEAD"):
        return False
    shares = os.path.lexists(at + b"/commondir")
    return shares or (os.path.isdir(at + b"/objects") and os.path.isdir(at + b"/refs"))
