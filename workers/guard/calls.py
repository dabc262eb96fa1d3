"""What a held call would change: the files that it names, and in which way."""

from __future__ import annotations

import os
import stat

from workers.guard.architecture import NUMBERS, WORD
from workers.guard.memory import PATH_MAX
from workers.guard.program import WRITES
from workers.guard.resolve import AT_FDCWD, UNPLACED, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.guard.memory import Memory
    from workers.guard.resolve import Eyes
    from workers.guard.seccomp import Held

_AT_REMOVEDIR = 0x200
_AT_SYMLINK_FOLLOW = 0x400
_AT_EMPTY_PATH = 0x1000
_RESOLVE_IN_ROOT = 0x10  # of openat2: the folder that a path starts from is its root
_FEW_WORDS = 64  # of the arguments of a program that is not git
_MOST_WORDS = 10_000
_LONGEST_WORD = 2 * PATH_MAX  # bytes: an option and a path
_TMPFILE = os.O_TMPFILE & ~os.O_DIRECTORY

NAMES: dict[tuple[int, int], str] = {
    (arch, number): name for arch, table in NUMBERS.items() for name, number in table.items()
}

# What a call does to a target.
WRITE = "write"  # changes the file, or makes or removes it: wants a lease
MOVE = "move"  # the same for a whole folder, with all below it
PASS_BY = "pass by"  # noqa: S105  - changes no content itself: only nobody else may hold it


class Target:
    """One file that a call names: its absolute path, and what would be done to it.

    `status` is the file's own, `None` if it is not there. `inode` is (device, inode) of a file that has more
    than one name and whose contents are to change.
    """

    __slots__ = ("deed", "inode", "path", "status")

    def __init__(self, path: bytes, deed: str, status: os.stat_result | None) -> None:
        self.path = path
        self.deed = deed
        self.status = status
        self.inode: tuple[int, int] | None = None


def targets(call: Held, memory: Memory, eyes: Eyes) -> list[Target]:
    """Return what the call would change. What leads nowhere, or is only read, is left out.

    Raises:
        GoneError: there is no such task any more.
        UnreadableError: its memory may not be read.
    """
    reader = _BY_NUMBER.get((call.arch, call.number))
    return reader(_Call(call, memory, eyes)) if reader is not None else []


def is_exec(call: Held) -> bool:
    """Tell whether the call would run a program."""
    return (call.arch, call.number) in _EXECS


def removes(call: Held) -> bool:
    """Tell whether the call would take a name away, and put none in its place."""
    return (call.arch, call.number) in _UNLINKS


class _Call:
    """A held call with its arguments read as paths."""

    __slots__ = ("_eyes", "_task", "args", "memory")

    def __init__(self, call: Held, memory: Memory, eyes: Eyes) -> None:
        self.args = call.args
        self.memory = memory
        self._task = call.task
        self._eyes = eyes

    def place(self, path_at: int, directory: int = AT_FDCWD, *, follow: bool) -> bytes | None:
        """Return the file that the path in argument `path_at` names."""
        path = self.memory.text(self.args[path_at])
        return None if path is None else self._eyes.locate(self._task, directory, path, follow=follow)

    def target(
        self, path_at: int, directory: int = AT_FDCWD, *, follow: bool, deed: str = WRITE
    ) -> list[Target]:
        path = self.memory.text(self.args[path_at])
        found = None if path is None else self._eyes.find(self._task, directory, path, follow=follow)
        return [] if found is None else [Target(found[0], deed, found[1])]

    def target_within(self, path_at: int, directory: int, *, follow: bool) -> list[Target]:
        """Return the same where the path cannot leave the folder that it starts from."""
        path = self.memory.text(self.args[path_at])
        found = None if path is None else self._eyes.find_within(self._task, directory, path, follow=follow)
        return [] if found is None else [Target(found[0], WRITE, found[1])]

    def behind(self, descriptor: int, *, deed: str) -> list[Target]:
        """Return the file that a descriptor leads to; nothing for one that has no name."""
        path = self._eyes.behind(self._task, descriptor)
        if path is None:
            return []
        try:
            status = os.stat(b"/proc/%d/fd/%d" % (self._task, descriptor))
        except OSError:
            return []
        return [Target(path, deed, status)] if status.st_nlink else []


def _opened(call: _Call, path_at: int, directory: int, flags: int, *, within: bool = False) -> list[Target]:
    if not flags & WRITES or flags & os.O_PATH or flags & _TMPFILE:
        return []  # read only, or a file without a name: it gets one by linkat
    exclusive = flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL
    follow = not (flags & os.O_NOFOLLOW or exclusive)
    look = call.target_within if within else call.target
    return _contents(look(path_at, directory, follow=follow), made=bool(flags & os.O_CREAT))


def _open(call: _Call) -> list[Target]:
    return _opened(call, 0, AT_FDCWD, call.args[1])


def _openat(call: _Call) -> list[Target]:
    return _opened(call, 1, signed(call.args[0]), call.args[2])


def _openat2(call: _Call) -> list[Target]:
    flags = call.memory.word(call.args[2], 8)
    if flags is None:
        return []
    resolve = call.memory.word(call.args[2] + 16, 8) or 0
    return _opened(call, 1, signed(call.args[0]), flags, within=bool(resolve & _RESOLVE_IN_ROOT))


def _creat(call: _Call) -> list[Target]:
    return _contents(call.target(0, follow=True), made=True)


def _truncate(call: _Call) -> list[Target]:
    return _contents(call.target(0, follow=True), made=False)


def _contents(found: list[Target], *, made: bool) -> list[Target]:
    """Look whether the file has other names; leave it out if it does not exist and is not `made` by the call."""
    for target in found:
        status = target.status
        if status is None:
            return found if made else []
        if (status.st_nlink > 1 or target.path == UNPLACED) and stat.S_ISREG(status.st_mode):
            target.inode = (status.st_dev, status.st_ino)
    return found


def _names(*found: list[Target]) -> list[Target]:
    """Join targets of which a name is changed; a file whose name is not known is known by its inode."""
    named = [target for targets in found for target in targets]
    for target in named:
        status = target.status
        if target.path == UNPLACED and status is not None and stat.S_ISREG(status.st_mode):
            target.inode = (status.st_dev, status.st_ino)
    return named


def _there(found: list[Target]) -> list[Target]:
    """Leave out what does not exist: the call will fail by itself, and no lease is wanted."""
    return [target for target in found if target.status is not None]


def _moved(old: list[Target], new: list[Target]) -> list[Target]:
    if not _there(old) or not new:
        return []  # the kernel will refuse it
    if any(_is_folder(target) for target in (*old, *new)):
        return [Target(target.path, MOVE, target.status) for target in (*old, *new)]
    return _names(old, new)


def _is_folder(target: Target) -> bool:
    return target.status is not None and stat.S_ISDIR(target.status.st_mode)


def _rename(call: _Call) -> list[Target]:
    return _moved(call.target(0, follow=False), call.target(1, follow=False))


def _renameat(call: _Call) -> list[Target]:
    old = call.target(1, signed(call.args[0]), follow=False)
    return _moved(old, call.target(3, signed(call.args[2]), follow=False))


def _unlink(call: _Call) -> list[Target]:
    return _names(_there(call.target(0, follow=False)))


def _unlinkat(call: _Call) -> list[Target]:
    deed = PASS_BY if call.args[2] & _AT_REMOVEDIR else WRITE
    return _names(_there(call.target(1, signed(call.args[0]), follow=False, deed=deed)))


def _rmdir(call: _Call) -> list[Target]:
    return _there(call.target(0, follow=False, deed=PASS_BY))


def _link(call: _Call) -> list[Target]:
    # A second name of a file is a way to write to it, so nobody else may hold the first.
    return _names(call.target(0, follow=False, deed=PASS_BY), call.target(1, follow=False))


def _linkat(call: _Call) -> list[Target]:
    new = call.target(3, signed(call.args[2]), follow=False)
    flags = call.args[4]
    if flags & _AT_EMPTY_PATH and call.memory.text(call.args[1]) == b"":
        return _names(call.behind(signed(call.args[0]), deed=PASS_BY), new)
    follow = bool(flags & _AT_SYMLINK_FOLLOW)
    return _names(call.target(1, signed(call.args[0]), follow=follow, deed=PASS_BY), new)


def _symlink(call: _Call) -> list[Target]:
    return call.target(1, follow=False)


def _symlinkat(call: _Call) -> list[Target]:
    return call.target(2, signed(call.args[1]), follow=False)


def _mkdir(call: _Call) -> list[Target]:
    return _absent(call.target(0, follow=False, deed=PASS_BY))


def _mkdirat(call: _Call) -> list[Target]:
    return _absent(call.target(1, signed(call.args[0]), follow=False, deed=PASS_BY))


def _absent(found: list[Target]) -> list[Target]:
    """Leave out folders that exist: `mkdir -p` goes through them and changes nothing."""
    return [target for target in found if target.status is None]


def _mknod(call: _Call) -> list[Target]:
    return call.target(0, follow=False)


def _mknodat(call: _Call) -> list[Target]:
    return call.target(1, signed(call.args[0]), follow=False)


_READERS = {
    "open": _open,
    "openat": _openat,
    "openat2": _openat2,
    "creat": _creat,
    "truncate": _truncate,
    "truncate64": _truncate,
    "rename": _rename,
    "renameat": _renameat,
    "renameat2": _renameat,
    "unlink": _unlink,
    "unlinkat": _unlinkat,
    "link": _link,
    "linkat": _linkat,
    "symlink": _symlink,
    "symlinkat": _symlinkat,
    "mkdir": _mkdir,
    "mkdirat": _mkdirat,
    "rmdir": _rmdir,
    "mknod": _mknod,
    "mknodat": _mknodat,
}
_BY_NUMBER = {key: _READERS[name] for key, name in NAMES.items() if name in _READERS}
_UNLINKS = frozenset(key for key, name in NAMES.items() if name in {"unlink", "unlinkat"})
_EXECS = frozenset(key for key, name in NAMES.items() if name in {"execve", "execveat"})


def program_of(call: Held, memory: Memory, eyes: Eyes) -> tuple[bytes, list[bytes]] | None:
    """Return the program that an exec would run, and its arguments: the first few, but of git all.

    `None` when it cannot be read. A word that is longer than any path is read as empty.
    """
    if NAMES[call.arch, call.number] == "execve":
        program, vector = _Call(call, memory, eyes).place(0, follow=True), call.args[1]
    else:
        directory, vector = signed(call.args[0]), call.args[2]
        if call.args[4] & _AT_EMPTY_PATH and memory.text(call.args[1]) == b"":
            program = eyes.behind(call.task, directory)
        else:
            program = _Call(call, memory, eyes).place(1, directory, follow=True)
    if program is None:
        return None
    most = _MOST_WORDS if program.rpartition(b"/")[2].startswith(b"git") else _FEW_WORDS
    found = list(_vector(call, memory, vector, most))
    if len(found) == _MOST_WORDS:
        found.append(b".")  # what was not read may name anything
    return program, found


def variables_of(call: Held, memory: Memory, names: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Return those of the environment variables `names` that an exec would give to its program."""
    environ = call.args[2 if NAMES[call.arch, call.number] == "execve" else 3]
    found: dict[bytes, bytes] = {}
    for entry in _vector(call, memory, environ, _MOST_WORDS):
        name, is_set, value = entry.partition(b"=")
        if is_set and name in names:
            found.setdefault(name, value)  # getenv() takes the first
    return found


def _vector(call: Held, memory: Memory, address: int, most: int) -> Iterator[bytes]:
    """Yield the strings that a NULL-ended vector of pointers names, so many at most."""
    size = WORD[call.arch]
    for index in range(most):
        pointer = memory.word(address + index * size, size)
        if not pointer:
            return
        yield memory.text(pointer, _LONGEST_WORD) or b""
