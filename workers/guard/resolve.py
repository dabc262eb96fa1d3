"""From the path of a held call to the file that the kernel would find, seen from the task's own place.

The task may have another working directory, root and mount namespace: its `/proc/TASK/cwd`, `root` and `fd`
links lead there. What the kernel would not find is not looked for either: the call will fail by itself.
"""

from __future__ import annotations

import os
import stat

from workers.guard.mounts import place_in_file_system
from workers.guard.plain import open_plain
from workers.guard.root import Root
from workers.guard.walk import Walk, is_proc

AT_FDCWD = -100
_DEPTH = 256  # folders between a file and the root of its repository
_PATH = os.O_PATH | os.O_CLOEXEC
_FOLDER = _PATH | os.O_DIRECTORY
_NOWHERE = (b"", b".", b"..")

# Written by every shell and never in a repository: passed without a look at the disk.
_DEVICES = frozenset({b"/dev/null", b"/dev/tty", b"/dev/zero", b"/dev/full", b"/dev/ptmx"})
_TERMINALS = b"/dev/pts/"

UNPLACED = b""
"""Instead of the path of a file whose mount has no place in the task's tree: only its inode is known."""

Found = tuple[bytes, os.stat_result | None]
"""Where a file is or would be, and its status if it is there."""


def signed(value: int) -> int:
    """Return a descriptor argument as the kernel reads it: the low 32 bits, with their sign."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


class Eyes:
    """Sees paths as tasks do. `roots` are the folders that matter: the first is the session's own."""

    __slots__ = ("_namespace", "_root", "_roots")

    def __init__(self, *roots: bytes) -> None:
        self._roots = [Root(path) for path in roots]
        self._root = self._roots[0].path
        self._namespace = os.readlink("/proc/self/ns/mnt")

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
        if (
            not path
            or path in _DEVICES
            or (path.startswith(_TERMINALS) and b"/" not in path[len(_TERMINALS) :])
        ):
            return None
        start = _start(task, directory, path)
        if b"/" in path:
            found = self._straight(task, start, path, follow=follow)
        else:
            found = self._beside(task, start, path, follow=follow)
        if found is not None:
            return found
        try:
            at = os.open(start, _PATH)
        except OSError:
            return None
        try:
            found = self._plainly(task, at, path, follow=follow)
        except OSError:
            found = None  # there may be a way all the same, by the task's own /proc/self
        finally:
            os.close(at)
        return found or self._by_walking(task, start, path, follow=follow)

    def find_within(self, task: int, directory: int, path: bytes, *, follow: bool) -> Found | None:
        """Return the same where the folder that a path starts from is its root, for `/`, links and `..` too."""
        start = _start(task, directory, b".")
        return self._by_walking(task, start, path, follow=follow, root=start) if path else None

    def behind(self, task: int, descriptor: int) -> bytes | None:
        """Return the file that a descriptor of the task leads to."""
        try:
            fd = os.open(b"/proc/%d/fd/%d" % (task, descriptor), _PATH)
        except OSError:
            return None
        try:
            return self._named(task, fd)
        except OSError:
            return None
        finally:
            os.close(fd)

    def _straight(self, task: int, start: bytes, path: bytes, *, follow: bool) -> Found | None:
        """Find what lies where the path says by its very words; `None` when that does not settle it.

        A link of /proc/self would be this process's own, but what it leads to has another name or lies elsewhere.
        """
        is_absolute = path.startswith(b"/")
        if not is_absolute:
            path = b"/" + path
        head, _, base = path.rpartition(b"/")
        if base in _NOWHERE:
            return None
        try:
            at = os.open(start + head, _FOLDER)
        except OSError:
            return None
        try:
            folder = os.readlink(b"/proc/self/fd/%d" % at)
            if is_absolute:
                is_so = folder == head and (self._below(folder) or self._same_namespace(task))
            else:
                is_so = folder.endswith(head) and self._below(folder)
            if not is_so:
                return None
            try:
                status = os.stat(base, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                return folder + b"/" + base, None
        except OSError:
            return None
        finally:
            os.close(at)
        if follow and stat.S_ISLNK(status.st_mode):
            return None
        return folder + b"/" + base, status

    def _beside(self, task: int, start: bytes, name: bytes, *, follow: bool) -> Found | None:
        """Find a bare name with two looks instead of four; `None` when that does not settle it."""
        if name in _NOWHERE:
            return None
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

    def _plainly(self, task: int, at: int, path: bytes, *, follow: bool) -> Found | None:
        """Find a path by one call of the kernel, or two; `None` when it must be walked instead.

        Raises:
            OSError: as the kernel says.
        """
        absolute = path.startswith(b"/")
        path = path.rstrip(b"/") or b"/"
        head, slash, base = path.rpartition(b"/")
        if follow or base in _NOWHERE:
            try:
                fd = open_plain(at, path, absolute=absolute)
            except FileNotFoundError:
                if base in _NOWHERE:
                    raise
            else:
                return self._object(task, fd, sure=absolute)
        fd = open_plain(at, head + slash or b".", absolute=absolute)
        try:
            if is_proc(fd):
                return None  # it may be this process's own folder there: what is missing in it, the task may have
            status = _status(base, fd)
            if status is not None and follow:
                return None  # a link to nothing: what creates through the link creates its target
            return self._entry(task, fd, base, status, sure=absolute)
        finally:
            os.close(fd)

    def _by_walking(
        self, task: int, start: bytes, path: bytes, *, follow: bool, root: bytes = b""
    ) -> Found | None:
        try:
            step = Walk(task, start, root).go(path, follow=follow)
        except OSError:
            return None
        if step is None:
            return None
        at, base = step
        if not base:
            try:
                return self._object(task, at, sure=True)
            except OSError:
                return None
        try:
            return self._entry(task, at, base, _status(base, at), sure=True)
        except OSError:
            return None
        finally:
            os.close(at)

    def _object(self, task: int, fd: int, *, sure: bool) -> Found | None:
        """Return an open file with its path, and close it; `None` for a pipe."""
        try:
            name = self._named(task, fd, sure=sure)
            return None if name is None else (name, os.fstat(fd))
        finally:
            os.close(fd)

    def _entry(
        self, task: int, folder: int, base: bytes, status: os.stat_result | None, *, sure: bool
    ) -> Found | None:
        """Return a name in an open folder with its path; `None` for what is no folder."""
        above = self._named(task, folder, sure=sure)
        if above is None:
            return None
        if status is not None and stat.S_ISDIR(status.st_mode) and not self._below(above):
            # It may be a root, or around one, under another name.
            fd = os.open(base, _PATH | os.O_NOFOLLOW, dir_fd=folder)
            try:
                return self._named(task, fd) or UNPLACED, status
            finally:
                os.close(fd)
        if above == UNPLACED:
            return UNPLACED, status
        return above.rstrip(b"/") + b"/" + base, status

    def _named(self, task: int, fd: int, *, sure: bool = True) -> bytes | None:
        """Return the path of an open file as this process names it; `None` for what has none.

        Raises:
            OSError: with `sure` false, it may be the wrong one: it came of a relative path, in which links lead from
                one's own root, and the task has another.
        """
        found = _name(fd)
        if found is None or self._below(found):
            return found
        if not sure and not self._same_view(task):
            raise OSError("another root")
        if self._same_namespace(task):
            return found
        return self._elsewhere(task, fd, found)

    def _below(self, path: bytes) -> bool:
        root = self._root
        if path.startswith(root) and (len(path) == len(root) or path[len(root)] == 47):
            return True
        return any(root.has(path) for root in self._roots[1:])

    def _same_namespace(self, task: int) -> bool:
        return os.readlink(f"/proc/{task}/ns/mnt") == self._namespace

    def _same_view(self, task: int) -> bool:
        try:
            return os.readlink(f"/proc/{task}/root") == "/" and self._same_namespace(task)
        except OSError:
            return True  # it is gone

    def _elsewhere(self, task: int, fd: int, found: bytes) -> bytes:
        """Climb from a file in another mount namespace: a root may be mounted there under another name."""
        top = os.readlink(b"/proc/%d/root" % task).rstrip(b"/")
        inner = found[len(top) :] if found.startswith(top + b"/") else found  # as the task names it
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            at = os.dup(fd)
        else:
            at = os.open(b"/proc/%d/root%s" % (task, os.path.dirname(inner)), _PATH)
        try:
            for _ in range(_DEPTH):
                status = os.fstat(at)
                for root in self._roots:
                    if (status.st_dev, status.st_ino) == root.identity:
                        return root.path + found[len((_name(at) or b"").rstrip(b"/")) :]
                if _name(at) in {None, b"/"}:
                    break
                above = os.open(b"..", _PATH, dir_fd=at)
                os.close(at)
                at = above
        finally:
            os.close(at)
        return self._mounted(task, fd, found, inner)

    def _mounted(self, task: int, fd: int, found: bytes, inner: bytes) -> bytes:
        """Look into the mounts of the task: a folder or a file of a root may be mounted there alone."""
        device = os.fstat(fd).st_dev
        roots = [root for root in self._roots if root.place is not None and root.device == device]
        if not roots:
            return found
        place = place_in_file_system(task, fd, inner)
        if place is None:
            return UNPLACED
        named = [path for root in roots if (path := root.path_of(place)) is not None]
        return max(named, key=len, default=found)


def _start(task: int, directory: int, path: bytes) -> bytes:
    if path.startswith(b"/"):
        return b"/proc/%d/root" % task
    return b"/proc/%d/cwd" % task if directory == AT_FDCWD else b"/proc/%d/fd/%d" % (task, directory)


def _name(fd: int) -> bytes | None:
    found = os.readlink(b"/proc/self/fd/%d" % fd)
    return found if found.startswith(b"/") else None  # pipes and sockets have names like "pipe:[1]"


def _name_at(folder: bytes) -> bytes:
    fd = os.open(folder, _FOLDER)
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)
    finally:
        os.close(fd)


def _status(base: bytes, folder: int) -> os.stat_result | None:
    try:
        return os.stat(base, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
