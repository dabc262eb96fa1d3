"""Reading what a held task passed by pointer: paths, argument vectors, the flags of openat2."""

from __future__ import annotations

import os
import struct

PATH_MAX = 4096  # bytes, with the NUL: linux/limits.h
_PAGE = os.sysconf("SC_PAGESIZE")


class UnreadableError(Exception):
    """The task's memory may not be read: it made itself non-dumpable, or is another user's."""


class GoneError(Exception):
    """The task is not there any more."""


class Memory:
    """The memory of one task, open for reading while one of its calls is held."""

    __slots__ = ("_fd",)

    def __init__(self, task: int) -> None:
        try:
            self._fd = os.open(f"/proc/{task}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            raise UnreadableError from None
        except OSError:
            raise GoneError from None

    def close(self) -> None:
        """Let go of the task's memory."""
        os.close(self._fd)

    def text(self, address: int, limit: int = PATH_MAX) -> bytes | None:
        """Return the NUL-ended bytes at `address`; `None` when they are longer than `limit` or not mapped.

        The page after the one that holds the end may be missing, so no read crosses more than it must.
        """
        found = b""
        while len(found) < limit:
            at = address + len(found)
            piece = self._read(at, min(_PAGE - at % _PAGE, limit - len(found)))
            if not piece:
                return None
            end = piece.find(b"\0")
            if end >= 0:
                return found + piece[:end]
            found += piece
        return None

    def word(self, address: int, size: int) -> int | None:
        """Return the unsigned integer of 4 or 8 bytes at `address`, or `None` when it is not mapped."""
        raw = self._read(address, size)
        if len(raw) != size:
            return None
        return int(struct.unpack("=I" if size == 4 else "=Q", raw)[0])

    def _read(self, address: int, size: int) -> bytes:
        try:
            return os.pread(self._fd, size, address)
        except PermissionError:
            raise UnreadableError from None
        except OSError:
            return b""  # EIO, or an address that no file offset can express
