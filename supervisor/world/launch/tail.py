"""A session's log read as it grows: whole lines, each once, in bounded memory.

The harness appends to the file itself, and the worker may drop its middle at any time: as a hole, or where the file
system knows none by cutting the file and writing a marker. What was dropped before it was read is counted.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

LINE_LIMIT = 1 << 20  # bytes; a longer line is passed over
PIECE = 1 << 16  # bytes read at once
_MARKER = re.compile(rb"\n\[\xe2\x80\xa6 (\d+) bytes dropped \xe2\x80\xa6\]\n")  # stands for what was cut
_MARKER_LENGTH = 64


class Tail:
    """The end of one log. `missed` are bytes that were dropped unread, `long` lines that were longer than is read."""

    __slots__ = ("_path", "_position", "_rest", "_skipping", "long", "missed")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self._skipping = False  # in the middle of a line that cannot be had whole
        self.missed = 0
        self.long = 0

    def lines(self) -> list[bytes] | None:
        """Return the lines that the next piece of the file completes; `None` when there is nothing more just now.

        A log that is not there, or not a plain file of ours, has nothing.
        """
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return None
            self._find_place(fd, status.st_size)
            piece = os.pread(fd, PIECE, self._position)
        except OSError:
            return None
        finally:
            os.close(fd)
        if not piece:
            return None
        self._position += len(piece)
        return list(self._split(piece))

    def last(self) -> bytes:
        """Return the last line as far as it was written, and forget it: nothing is to come any more."""
        rest, self._rest = self._rest, b""
        return b"" if self._skipping else rest

    def _find_place(self, fd: int, size: int) -> None:
        """Go on behind what was dropped since the last look."""
        if size < self._position:
            self._after_marker(fd, size)
            return
        try:
            data = os.lseek(fd, self._position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but the end follows
        if data > self._position:
            self._jump(data, data - self._position)

    def _after_marker(self, fd: int, size: int) -> None:
        """Go on behind the marker at which the worker cut the file; what stood before it was read."""
        end = size
        while end > 0:
            start = max(0, end - PIECE)
            piece = os.pread(fd, end - start + _MARKER_LENGTH, start)
            found = list(_MARKER.finditer(piece))
            if found:
                cut = start + found[-1].start()
                self._jump(start + found[-1].end(), max(0, cut + int(found[-1][1]) - self._position))
                self._skipping = False
                return
            end = start
        self._jump(0, 0)  # cut by somebody else: it begins anew
        self._skipping = False

    def _jump(self, to: int, missed: int) -> None:
        self._position = to
        self._rest = b""
        self._skipping = True  # up to the next line's end
        self.missed += missed

    def _split(self, piece: bytes) -> Iterator[bytes]:
        if self._skipping:
            end = piece.find(b"\n")
            if end < 0:
                return
            piece = piece[end + 1 :]
            self._skipping = False
        *whole, rest = piece.split(b"\n")
        if whole:
            yield self._rest + whole[0]
            yield from whole[1:]
            self._rest = rest
        else:
            self._rest += rest
        if len(self._rest) > LINE_LIMIT:
            self.long += 1
            self._rest = b""
            self._skipping = True


def last_line(path: Path) -> str:
    """Return the last line with something on it of a log, "" if there is none; a very long one's end only."""
    return end_of(path).rstrip().rpartition("\n")[2]


def end_of(path: Path, most: int = 4096) -> str:
    """Return the last `most` bytes of a log as text, "" if there is none or it is not a plain file."""
    return _part(path, most, at_end=True).decode("utf-8", "replace")


def head_of(path: Path, most: int) -> bytes:
    """Return the first `most` bytes of a file, none if there is none or it is not a plain file of ours: a session may write there."""
    return _part(path, most, at_end=False)


def _part(path: Path, most: int, *, at_end: bool) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return b""
        return os.pread(fd, most, max(0, status.st_size - most) if at_end else 0)
    except OSError:
        return b""
    finally:
        os.close(fd)
