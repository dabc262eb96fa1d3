"""Landlock: this process, and all that it starts, may write below some folders only; what it reads is free.

landlock(7); constants of include/uapi/linux/landlock.h. The three calls have the same numbers on every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1 << 0  # flag of landlock_create_ruleset: tell the ABI instead
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE = 1 << 1
_REMOVE_DIR = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_CHAR = 1 << 6
_MAKE_DIR = 1 << 7
_MAKE_REG = 1 << 8
_MAKE_SOCK = 1 << 9
_MAKE_FIFO = 1 << 10
_MAKE_BLOCK = 1 << 11
_MAKE_SYM = 1 << 12
_REFER = 1 << 13  # since ABI 2: before, the kernel refuses every move from one folder to another
_TRUNCATE = 1 << 14  # since ABI 3: before, truncate(2) is free

_SINCE_1 = (
    _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_CHAR
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_BLOCK
    | _MAKE_SYM
)
_OF_FILES = _WRITE_FILE | _TRUNCATE  # what a rule about something that is no folder may name

# What belongs to nobody and keeps nothing: `cmd >/dev/null`, terminals, shared memory, a process's own settings.
EVERYBODYS = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm", "/proc"),  # noqa: S108  - a mount, and no file of ours
)

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Return the version of Landlock that this kernel offers here.

    Raises:
        OSError: ENOSYS where it was built without, EOPNOTSUPP where it was started without, EPERM where a
            sandbox forbids it.
    """
    return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))


def held(version: int) -> int:
    """Return the rights that a kernel of this ABI can hold back, of those that change a file tree."""
    rights = _SINCE_1
    if version >= 2:
        rights |= _REFER
    if version >= 3:
        rights |= _TRUNCATE
    return rights


def rules(writable: tuple[str, ...] | list[str]) -> int:
    """Return a descriptor of the rules under which only what is at or below these paths can be changed.

    A path that does not exist is passed over: nothing is there that could be changed.

    Raises:
        OSError: as `abi` does; with a `filename` where a path cannot be looked at.
    """
    rights = held(abi())
    content = struct.pack("=Q", rights)
    ruleset = _call(_CREATE_RULESET, content, ctypes.c_size_t(len(content)), ctypes.c_uint(0))
    try:
        for path in (*EVERYBODYS, *writable):
            _allow(ruleset, path, rights)
    except OSError:
        os.close(ruleset)
        raise
    return ruleset


def enter(ruleset: int) -> None:
    """Put this thread and all it will start under the rules for good.

    Raises:
        OSError: the kernel does not take them, E2BIG where 16 such sets are in force already.
    """
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, one, none, none, none))
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        beneath = struct.pack("=Qi", rights, fd)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), beneath, ctypes.c_uint(0))
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
