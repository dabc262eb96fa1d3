"""A session's output as what it means: one line for each message, tool call and error, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from supervisor.core.sessions.masking import Masks
from supervisor.core.sessions.reading import Heard, Reading
from supervisor.core.sessions.visible import visible

_LONGEST = 1 << 20  # bytes of a line that are kept in mind
_MARKS = {
    "message": "",
    "tool": "» ",
    "tool_error": "✗ ",
    "error": "✗ ",
    "retry": "… ",
    "result": "✓ ",
    "file": "± ",
    "start": "model ",
}


class Pretty:
    """Takes a log in pieces. `adapter` names who understands it; what it does not understand is printed as it is."""

    def __init__(self, adapter: str, secrets: Iterable[str] = ()) -> None:
        from supervisor.world.harness.registry import COMMAND, AdapterError, find

        try:
            self._adapter = find(adapter) if adapter else COMMAND
        except AdapterError:
            self._adapter = COMMAND  # its package is not installed here
        self._plain = self._adapter is COMMAND
        self._masks = Masks(secrets)
        self._reading = Reading()
        self._rest = b""

    def read(self, piece: bytes) -> bytes:
        """Return what the lines that the piece completes mean, as lines of text."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[-_LONGEST:]
        return b"".join(map(self._line, whole))

    def rest(self) -> bytes:
        """Return what the last line means, though it has no end."""
        line, self._rest = self._rest, b""
        return self._line(line) if line else b""

    def _line(self, line: bytes) -> bytes:
        reading = self._reading
        before, odd = reading.heard, reading.odd
        if not self._plain:
            self._adapter.hear(line, reading)
        if self._plain or reading.odd > odd:
            return self._masked(line.decode("utf-8", "replace"))
        fresh = min(reading.heard - before, len(reading.events))
        events = islice(reading.events, len(reading.events) - fresh, None)
        return b"".join(self._masked(shown) for event in events if (shown := _shown(event)))

    def _masked(self, text: str) -> bytes:
        return (self._masks.text(text) + "\n").encode()


def _shown(event: Heard) -> str:
    lines = event.kind in {"message", "result"}
    text = visible(event.text)
    text = text.rstrip() if lines else " ".join(text.split())
    mark = _MARKS.get(event.kind, f"{event.kind}: ")
    return mark + text if text else ""
