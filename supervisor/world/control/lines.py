"""Framing: bytes as they arrive, cut into lines of bounded length."""

from __future__ import annotations

MAX_LINE = 1 << 20  # bytes, the newline included


class LineTooLongError(Exception):
    """A line passed the limit before its newline came; what follows it cannot be trusted as a frame."""


class Lines:
    """Cuts a byte stream at newlines; keeps at most one unfinished line of `MAX_LINE` bytes."""

    __slots__ = ("_partial",)

    def __init__(self) -> None:
        self._partial: bytes | bytearray = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their newlines.

        Raises:
            LineTooLongError: a line is longer than `MAX_LINE`.
        """
        if self._partial:
            return self._join(data)
        lines = data.split(b"\n")
        self._partial = lines.pop()
        if len(data) > MAX_LINE and max(map(len, [*lines, self._partial])) >= MAX_LINE:
            raise LineTooLongError
        return lines

    def _join(self, data: bytes) -> list[bytes]:
        # The unfinished line is a bytearray once it has grown: a client that drips a long line costs
        # the length of the line, not its square.
        cut = data.find(b"\n")
        partial = self._partial
        if not isinstance(partial, bytearray):
            partial = bytearray(partial)
        if len(partial) + (len(data) if cut < 0 else cut + 1) > MAX_LINE:
            raise LineTooLongError
        if cut < 0:
            partial += data
            self._partial = partial
            return []
        partial += data[:cut]
        self._partial = b""
        return [bytes(partial), *self.feed(data[cut + 1 :])]
