"""A session's output as it was written, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable

from supervisor.core.sessions.masking import MASK, Masks

_BEGIN, _END = b"-----BEGIN ", b"PRIVATE KEY-----"


class Masked:
    """Takes a log in pieces and returns whole lines, other bytes untouched; a line without an end comes with `rest`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._masks = Masks(secrets)
        self._rest = b""
        self._in_key = False

    def read(self, piece: bytes) -> bytes:
        """Return the lines that the piece completes."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return b"".join(self._line(line) + b"\n" for line in whole)

    def rest(self) -> bytes:
        """Return the last line, though it has no end."""
        line, self._rest = self._rest, b""
        return self._line(line) if line else b""

    def _line(self, line: bytes) -> bytes:
        if self._in_key:  # a private key goes over many lines
            self._in_key = b"-----END " not in line
            return MASK.encode()
        begins = line.rfind(_BEGIN)
        self._in_key = begins >= 0 and _END in line[begins:] and b"-----END " not in line[begins:]
        text = line.decode("utf-8", "surrogateescape")
        return self._masks.text(text).encode("utf-8", "surrogateescape")
