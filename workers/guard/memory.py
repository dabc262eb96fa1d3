"""Reading what a held task passed by pointer: paths, argument vectors, the flags of openat2."""

from __future__ import annotations

import ctypes
import os
import struct

PATH_MAX = 4096  # bytes, with the NUL: linux/limits.h
_PAGE = os.sysconf("SC_PAGESIZE")
_FIRST = 256  # bytes of the first look at a text: hardly a path is longer
_ADDRESS = (1 << 56) - 1  # what is above may be a tag, which the kernel takes off too

# One buffer for all: the worker has one thread, and copies out what it keeps.
_buffer = bytearray(PATH_MAX)
_here = (ctypes.c_char * PATH_MAX).from_buffer(_buffer)
_local = (ctypes.c_ulong * 2)(ctypes.addressof(_here), PATH_MAX)  # struct iovec
_remote = (ctypes.c_ulong * 2)()
_local_at, _remote_at = ctypes.addressof(_local), ctypes.addressof(_remote)
_process_vm_readv = ctypes.CDLL(None).process_vm_readv
_process_vm_readv.argtypes = (
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong),
    *(ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong),
)
_process_vm_readv.restype = ctypes.c_ssize_t


class UnreadableError(Exception):
    """The task's memory may not be read: it made itself non-dumpable, or is another user's."""


class GoneError(Exception):
    """The task is not there any more."""


class Memory:
    """The memory of one task while one of its calls is held.

    Whether it still is held is to be asked after the last look: else the number may be another task's by then.
    """

    __slots__ = ("_fd", "_task")

    def __init__(self, task: int) -> None:
        self._task = task
        self._fd = -1

    def close(self) -> None:
        """Let go of the task's memory."""
        if self._fd >= 0:
            os.close(self._fd)

    def text(self, address: int, limit: int = PATH_MAX) -> bytes | None:
        """Return the NUL-ended bytes at `address`; `None` when they are longer than `limit` or not mapped.

        The page after the one that holds the end may be missing, so no read crosses more than it must.

        Raises:
            GoneError, UnreadableError: as they say.
        """
        address &= _ADDRESS
        found = b""
        most = _FIRST
        while len(found) < limit:
            at = address + len(found)
            piece = self._read(at, min(_PAGE - at % _PAGE, limit - len(found), most))
            if not piece:
                return None
            end = piece.find(b"\0")
            if end >= 0:
                return found + piece[:end]
            found += piece
            most = limit
        return None

    def word(self, address: int, size: int) -> int | None:
        """Return the unsigned integer of 4 or 8 bytes at `address`, or `None` when it is not mapped.

        Raises:
            GoneError, UnreadableError: as they say.
        """
        raw = self._read(address & _ADDRESS, size)
        if len(raw) != size:
            return None
        return int(struct.unpack("=I" if size == 4 else "=Q", raw)[0])

    def _read(self, address: int, size: int) -> bytes:
        """Read by one call where that can be. What it cannot see, a file of /proc may: memory for execution only."""
        if self._fd < 0:
            size = min(size, PATH_MAX)
            _remote[0], _remote[1] = address, size
            if _process_vm_readv(self._task, _local_at, 1, _remote_at, 1, 0) == size:
                return bytes(_buffer[:size])
            self._open()
        try:
            return os.pread(self._fd, size, address)
        except PermissionError:
            raise UnreadableError from None
        except OSError:
            return b""  # EIO: not mapped

    def _open(self) -> None:
        try:
            self._fd = os.open(f"/proc/{self._task}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            raise UnreadableError from None
        except OSError:
            raise GoneError from None
