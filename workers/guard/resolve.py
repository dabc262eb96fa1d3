"""From the path of a held call to the file that the kernel would find, seen from the task's own place.

The task may have another working directory, root and mount namespace: its `/proc/TASK/cwd`, `root` and `fd`
links lead there. What the kernel would not find is not looked for either: the call will fail by itself.
"""

from __future__ import annotations

import errno
import os
import stat

from workers.guard.mounts import place_in_file_system

AT_FDCWD = -100
_LINKS = 40  # as many symbolic links as the kernel follows: path_resolution(7)
_DEPTH = 256  # folders between a file and the root of its repository
_PATH = os.O_PATH | os.O_CLOEXEC
_PIECE = 3800  # bytes of a path that are looked up at once: with /proc/TASK/cwd before it, it may be too long
_NOWHERE = (b"", b".", b"..")

# Written by every shell and never in a repository: passed without a look at the disk.
_DEVICES = frozenset({b"/dev/null", b"/dev/tty", b"/dev/zero", b"/dev/full", b"/dev/ptmx"})
_STREAMS = {b"/dev/stdin": b"0", b"/dev/stdout": b"1", b"/dev/stderr": b"2"}


Found = tuple[bytes, os.stat_result | None]
"""Where a file is or would be, and its status if it is there."""


def signed(value: int) -> int:
    """Return a descriptor argument as the kernel reads it: the low 32 bits, with their sign."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


class Eyes:
    """Sees paths as tasks do, and knows one folder again under whatever name it is mounted: `root`.

    `root` is absolute and free of links.
    """

    __slots__ = ("_device", "_identity", "_namespace", "_place", "root")

    def __init__(self, root: bytes) -> None:
        self.root = root
        status = os.stat(root)
        self._device = status.st_dev
        self._identity = (status.st_dev, status.st_ino)
        self._namespace = os.readlink("/proc/self/ns/mnt")
        fd = os.open(root, _PATH)
        self._place = place_in_file_system("self", fd, root)
        os.close(fd)

    def locate(self, task: int, directory: int, path: bytes, *, follow: bool) -> bytes | None:
        """Return the absolute path, free of links, of the file that `path` names to the task; see `find`."""
        found = self.find(task, directory, path, follow=follow)
        return None if found is None else found[0]

    def find(self, task: int, directory: int, path: bytes, *, follow: bool) -> Found | None:
        """Return the absolute path, free of links, of the file that `path` names to the task, and its status.

        `directory` is the descriptor that a relative path starts from, `follow` whether a link at its end
        is followed. A file that does not exist yet is named all the same, without a status. `None`: nothing
        that a lease could cover: a device, a path whose folder does not exist, a loop of links.
        """
        if not path or path in _DEVICES or path.startswith((b"/dev/pts/", b"/dev/shm/")):
            return None
        if b"/" not in path and path not in _NOWHERE:
            found = self._beside(task, directory, path, follow=follow)
            if found is not None:
                return found
        full = _seen_from(task, directory, path)
        for _ in range(_LINKS):
            head, base = _split(full)
            if base in _NOWHERE:
                return self._whole(task, full)
            if not follow:
                break
            found = self._whole(task, full)
            if found is not None:
                return found
            # Nothing there, or a link to nothing: what creates through the link creates its target.
            target = _link(full)
            if target is None:
                break
            full = b"/proc/%d/root%s" % (task, target) if target.startswith(b"/") else head + b"/" + target
        else:
            return None
        folder = self._whole(task, head)
        if folder is None:
            return None
        place = folder[0].rstrip(b"/") + b"/" + base
        return place, None if follow else _status(place)

    def _beside(self, task: int, directory: int, name: bytes, *, follow: bool) -> Found | None:
        """Find a bare name with two looks instead of four; `None` when that does not settle it."""
        start = _start(task, directory)
        try:
            status = os.lstat(start + b"/" + name)
            if follow and stat.S_ISLNK(status.st_mode):
                return None
        except FileNotFoundError:
            status = None
        except OSError:
            return None
        try:
            folder = os.readlink(start)
        except OSError:
            return None
        if not folder.startswith(b"/") or not (self._below(folder) or self._same_namespace(task)):
            return None
        return folder.rstrip(b"/") + b"/" + name, status

    def behind(self, task: int, descriptor: int) -> bytes | None:
        """Return the file that a descriptor of the task leads to."""
        found = self._whole(task, b"/proc/%d/fd/%d" % (task, descriptor))
        return None if found is None else found[0]

    def _whole(self, task: int, full: bytes) -> Found | None:
        """Find where a path leads, links followed, as this process names it; `None` if to nothing."""
        try:
            fd = _open(full)
        except OSError:
            return None
        try:
            found = _name(fd)
            if found is None:
                return None
            if not self._below(found) and not self._same_namespace(task):
                found = self._elsewhere(task, fd, found)
            return found, os.fstat(fd)
        except OSError:
            return None
        finally:
            os.close(fd)

    def _below(self, path: bytes) -> bool:
        return path == self.root or path.startswith(self.root + b"/")

    def _same_namespace(self, task: int) -> bool:
        return os.readlink(f"/proc/{task}/ns/mnt") == self._namespace

    def _elsewhere(self, task: int, fd: int, found: bytes) -> bytes:
        """Climb from a file in another mount namespace: the root may be mounted there under another name."""
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            at = os.dup(fd)
        else:
            at = os.open(b"/proc/%d/root%s" % (task, os.path.dirname(found)), _PATH)
        try:
            for _ in range(_DEPTH):
                status = os.fstat(at)
                if (status.st_dev, status.st_ino) == self._identity:
                    return self.root + found[len((_name(at) or b"").rstrip(b"/")) :]
                if _name(at) in {None, b"/"}:
                    break
                above = os.open(b"..", _PATH, dir_fd=at)
                os.close(at)
                at = above
            return self._mounted(task, fd, found)
        finally:
            os.close(at)

    def _mounted(self, task: int, fd: int, found: bytes) -> bytes:
        """Look into the mounts of the task: a folder or a file of the root may be mounted there alone."""
        if self._place is None or os.fstat(fd).st_dev != self._device:
            return found
        place = place_in_file_system(task, fd, found)
        if place is None or (place != self._place and not place.startswith(self._place.rstrip(b"/") + b"/")):
            return found
        return self.root + place[len(self._place) :]


def _open(full: bytes) -> int:
    """Open a path of any length that the kernel takes from a task."""
    try:
        return os.open(full, _PATH)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG or len(full) <= _PIECE:
            raise
    at = os.open(b"/", _PATH)
    while full:
        end = full.rfind(b"/", 1, _PIECE) if len(full) > _PIECE else -1
        piece, full = (full[:end], full[end:].lstrip(b"/")) if end > 0 else (full, b"")
        try:
            below = os.open(piece or b".", _PATH, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at


def _start(task: int, directory: int) -> bytes:
    return b"/proc/%d/cwd" % task if directory == AT_FDCWD else b"/proc/%d/fd/%d" % (task, directory)


def _seen_from(task: int, directory: int, path: bytes) -> bytes:
    if not path.startswith(b"/"):
        return _start(task, directory) + b"/" + path
    if path in _STREAMS:
        return b"/proc/%d/fd/%s" % (task, _STREAMS[path])
    for prefix, instead in ((b"/dev/fd/", b"fd/"), (b"/proc/self/", b""), (b"/proc/thread-self/", b"")):
        if path.startswith(prefix):
            return b"/proc/%d/%s%s" % (task, instead, path[len(prefix) :])
    return b"/proc/%d/root%s" % (task, path)


def _split(full: bytes) -> tuple[bytes, bytes]:
    head, _, base = full.rstrip(b"/").rpartition(b"/")
    return head, base


def _name(fd: int) -> bytes | None:
    found = os.readlink(b"/proc/self/fd/%d" % fd)
    return found if found.startswith(b"/") else None  # pipes and sockets have names like "pipe:[1]"


def _status(place: bytes) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except OSError:
        return None


def _link(full: bytes) -> bytes | None:
    try:
        if len(full) <= _PIECE:
            return os.readlink(full)
        head, base = _split(full)
        folder = _open(head)
    except OSError:
        return None
    try:
        return os.readlink(base, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
