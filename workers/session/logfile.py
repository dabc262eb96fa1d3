"""A log that keeps its head and its tail: what lies between is a hole in the file."""

from __future__ import annotations

import errno
import os

from workers.session import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65536
_HEAD_SHARE = 4  # one part in four is kept of the beginning; how it ended says more


def read_kept(path: str) -> Iterator[bytes]:
    """Yield what a log holds, in pieces, with one line in place of each part that was dropped.

    Raises:
        OSError: the file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        position = 0
        while position < size:
            data = _next_data(fd, position, size)
            if data > position:
                yield marker(data - position)
            position = os.lseek(fd, data, os.SEEK_HOLE) if data < size else size
            yield from _pieces(fd, data, min(position, size))
    finally:
        os.close(fd)


def marker(dropped: int) -> bytes:
    """Return the line that stands for `dropped` bytes."""
    return f"\n[… {dropped} bytes dropped …]\n".encode()


class CappedLog:
    """One log file, written to by the harness, kept by the worker near `limit` bytes on disk."""

    __slots__ = ("_dropped", "_fd", "_hole_end", "_limit", "_marker", "path")

    def __init__(self, path: str, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._dropped = 0
        self._hole_end = 0
        self._marker = b""  # written into the file itself where the file system knows no holes

    def writer(self) -> int:
        """Return a descriptor for the harness to append through; the caller closes it."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def size(self) -> int:
        """Return the length of the file, holes included."""
        return os.fstat(self._fd).st_size

    def report(self) -> dict[str, int]:
        """Return how many bytes were written, and how many of them are no longer there."""
        cut = self._dropped - len(self._marker) if self._marker else 0
        return {"bytes": self.size() + cut, "dropped": self._dropped}

    def trim(self) -> None:
        """Drop the middle where the file has outgrown its limit."""
        self._keep(self._limit)

    def sacrifice(self) -> None:
        """Drop all but the first and last few KiB, in order to make room on a full disk."""
        self._keep(min(self._limit, 16384))

    def _keep(self, limit: int) -> None:
        status = os.fstat(self._fd)
        block = max(4096, status.st_blksize)
        head = -(-(limit // _HEAD_SHARE) // block) * block
        end = (status.st_size - (limit - limit // _HEAD_SHARE)) // block * block
        if status.st_size <= limit or end <= max(head, self._hole_end):
            return
        try:
            kernel.punch_hole(self._fd, head, end - head)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            self._cut(head, status.st_size)
            return
        self._dropped = end - head
        self._hole_end = end

    def _cut(self, head: int, size: int) -> None:
        # The harness appends, so its next write goes to the new end, after the marker.
        os.ftruncate(self._fd, head)
        self._dropped += size - head - len(self._marker)
        self._marker = marker(self._dropped)
        os.write(self._fd, self._marker)


def _next_data(fd: int, position: int, size: int) -> int:
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size


def _pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = os.pread(fd, min(_CHUNK, end - start), start)
        if not piece:
            return
        start += len(piece)
        yield piece
