"""A path followed one name after the other, as a task follows it: with its own root and its own `/proc/self`."""

from __future__ import annotations

import ctypes
import os
import stat

_LINKS = 40  # as many symbolic links as the kernel follows: path_resolution(7)
_PATH = os.O_PATH | os.O_CLOEXEC
_PROC = 0x9FA0  # PROC_SUPER_MAGIC of statfs(2), whose first word is the kind of file system
_PROC_ROOT = 1  # inode of the folder that a proc file system begins with
_OWN = (b"self", b"thread-self")

_libc = ctypes.CDLL(None, use_errno=True)
_status = ctypes.create_string_buffer(256)

Step = tuple[int, bytes]
"""A folder, as a descriptor that the receiver closes, and a name in it; the name is empty for the folder itself."""


class Walk:
    """One walk of one task. `at` is where it stands."""

    __slots__ = ("_links", "_root", "_task", "at")

    def __init__(self, task: int, start: bytes, root: bytes = b"") -> None:
        """Stand in the folder `start`; `root` is the task's own unless given.

        Raises:
            OSError: it is not there.
        """
        self._task = task
        self._root = root or b"/proc/%d/root" % task
        self._links = 0
        self.at = os.open(start, _PATH)

    def go(self, path: bytes, *, follow: bool) -> Step | None:
        """Return the last folder of a path and the name in it, or the object that it leads to and no name.

        A link at the end is followed if `follow` says so. `None`: it leads nowhere.
        """
        try:
            return self._go(path, follow=follow)
        except OSError:
            os.close(self.at)
            return None

    def _go(self, path: bytes, *, follow: bool) -> Step | None:
        rest = path.split(b"/")[::-1]
        while rest:
            name = rest.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                if not os.path.samestat(os.fstat(self.at), os.stat(self._root)):
                    self._enter(os.open(b"..", _PATH, dir_fd=self.at))
                continue
            try:
                fd = os.open(name, _PATH | os.O_NOFOLLOW, dir_fd=self.at)
            except FileNotFoundError:
                if rest:
                    raise
                return self.at, name
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                self._enter(fd)
                continue
            if not rest and not follow:
                os.close(fd)
                return self.at, name
            try:
                rest += self._behind(name, fd)
            finally:
                os.close(fd)
        return self.at, b""

    def _behind(self, name: bytes, link: int) -> list[bytes]:
        """Return what a link says, the last name first, when that is to be followed; or stand behind it already."""
        self._links += 1
        if self._links > _LINKS:
            raise OSError("too many links")
        in_proc = is_proc(link)
        if in_proc and name in _OWN and os.fstat(self.at).st_ino == _PROC_ROOT:
            self._enter(os.open(b"/proc/%d" % self._task, _PATH))
            return []
        text = os.readlink(b"", dir_fd=link)
        if in_proc and (
            text.startswith(b"/") or b":[" in text
        ):  # no text, but a way that only the kernel knows
            self._enter(os.open(name, _PATH, dir_fd=self.at))
            return []
        if text.startswith(b"/"):
            self._enter(os.open(self._root, _PATH))
        return text.split(b"/")[::-1]

    def _enter(self, fd: int) -> None:
        os.close(self.at)
        self.at = fd


def is_proc(fd: int) -> bool:
    """Tell whether an open file is one of a proc file system."""
    if _libc.fstatfs(fd, _status) != 0:
        return False
    return int.from_bytes(_status.raw[: ctypes.sizeof(ctypes.c_long)], "little") == _PROC
