"""The session's own line to the supervisor: questions whose answers come later, while the loop goes on.

The connection is made at the first question and made again when it is lost; a question is repeated over the
new one, so whatever is asked here must be harmless to ask twice.
"""

from __future__ import annotations

import json
import select
import socket

from workers.session.address import connect
from workers.session.clock import FOREVER, boottime
from workers.session.loop import is_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.loop import Loop

_AGAIN = 0.1  # seconds between two tries to reach a supervisor that is away
_MAX_LINE = 4 << 20  # bytes
_READS = 64  # at a time; more than a socket holds
_decoded = json.JSONDecoder().raw_decode


Answer = dict[str, object] | None
"""The supervisor's message with its "result" or "error"; `None` when it was away for too long."""


class _Question:
    __slots__ = ("answered", "give_up_at", "line")

    def __init__(self, line: bytes, give_up_at: float, answered: Callable[[Answer], None]) -> None:
        self.line = line
        self.give_up_at = give_up_at
        self.answered = answered


class Line:
    """Talks JSON-RPC. `patience` in seconds: how long a supervisor that is away is waited for."""

    __slots__ = (
        *("_again_at", "_last", "_later", "_loop", "_open", "_received", "_socket", "_token", "_unsent"),
        *("path", "patience"),
    )

    def __init__(self, loop: Loop, path: str, token: str, patience: float) -> None:
        self._loop = loop
        self.path = path
        self._token = token
        self.patience = patience
        self._socket: socket.socket | None = None
        self._open: dict[int, _Question] = {}
        self._last = 0
        self._later: list[int] = []  # asked again at `_again_at` over the same connection
        self._again_at = FOREVER
        self._received = bytearray()
        self._unsent = bytearray()

    def ask(self, method: str, params: dict[str, object], answered: Callable[[Answer], None]) -> None:
        """Ask, with `params`; `answered` hears what came of it."""
        written = json.dumps(params)[1:-1]
        self._ask(f"{self.opening(method)},{written}" if written else self.opening(method), answered)

    def opening(self, method: str) -> str:
        """Return how a question begins, for `ask_written`; the same each time."""
        return f'"method":"{method}","params":{{"token":{json.dumps(self._token)}'

    def ask_written(self, question: str, answered: Callable[[Answer], None]) -> None:
        """Ask an opening and what follows it, as JSON but for the last bracket, when a program waits for the answer."""
        self._ask(question, answered)
        self._loop.expect()

    def _ask(self, question: str, answered: Callable[[Answer], None]) -> None:
        self._last = number = self._last + 1
        line = f'{{"jsonrpc":"2.0","id":{number},{question}}}}}\n'.encode()
        self._open[number] = _Question(line, boottime() + self.patience, answered)
        if self._socket is None:
            self._connect()
        else:
            self._send(line)

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return self._again_at

    def look(self) -> None:
        """Ask again a supervisor that is away or not ready yet, and give up what has waited long enough."""
        now = boottime()
        if now < self._again_at:
            return
        self._again_at = FOREVER
        if self._socket is not None:
            self._send(b"".join(question.line for question in self._postponed(now)))
            return
        for number, question in list(self._open.items()):
            if now >= question.give_up_at:
                del self._open[number]
                question.answered(None)
        if self._open:
            self._connect()

    def hear(self) -> None:
        """Take in what has been answered by now."""
        for _ in range(_READS):
            if self._socket is None or not is_readable(self._socket.fileno()):
                return
            self._receive()

    def close(self) -> None:
        """Hang up; what is still open stays unanswered."""
        self._open.clear()
        self._again_at = FOREVER
        if self._socket is not None:
            self._hang_up()

    def _connect(self) -> None:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            connect(line, self.path)
        except OSError:
            line.close()
            self._again_at = boottime() + _AGAIN
            return
        self._socket = line
        self._received.clear()
        self._unsent = bytearray(b"".join(question.line for question in self._open.values()))
        self._loop.watch_swift(line.fileno(), select.POLLIN, self._ready)
        self._send(b"")

    def _send(self, line: bytes) -> None:
        assert self._socket is not None  # noqa: S101  - only called while connected
        was_free = not self._unsent
        if was_free and line:
            try:
                sent = self._socket.send(line)
            except OSError:
                sent = 0  # tried once more below
            if sent == len(line):
                return
            line = line[sent:]
        self._unsent += line
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._lost()
            return
        if self._unsent or not was_free:
            mask = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
            self._loop.listen_for(self._socket.fileno(), mask)

    def _ready(self, mask: int) -> None:
        if mask & select.POLLOUT and self._socket is not None:
            self._send(b"")
        if mask & ~select.POLLOUT:
            self._receive()

    def _receive(self) -> None:
        line = self._socket
        if line is None:
            return
        try:
            piece = line.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not self._received and piece[-1:] == b"\n":  # nearly always: whole lines
            for answer in piece[:-1].split(b"\n"):
                self._take(answer)
            return
        self._received += piece
        while (end := self._received.find(b"\n")) >= 0:
            answer = bytes(self._received[:end])
            del self._received[: end + 1]
            self._take(answer)
        if self._socket is line and (not piece or len(self._received) > _MAX_LINE):
            self._lost()

    def _take(self, line: bytes) -> None:
        try:
            message, _ = _decoded(line.decode())
        except ValueError:
            return
        number = message.get("id") if isinstance(message, dict) else None
        question = self._open.get(number) if isinstance(number, int) else None
        if number is None or question is None:
            return
        match message.get("error"):
            case {"data": {"reason": "recovering"}}:
                self._later.append(number)  # it does not know yet what others hold
                self._again_at = boottime() + _AGAIN
            case _:
                del self._open[number]
                question.answered(message)

    def _postponed(self, now: float) -> list[_Question]:
        numbers, self._later = self._later, []
        again = []
        for number in numbers:
            question = self._open.get(number)
            if question is not None and now < question.give_up_at:
                again.append(question)
            elif question is not None:
                del self._open[number]
                question.answered(None)
        return again

    def _lost(self) -> None:
        """Keep the questions: a supervisor that comes back is asked again."""
        self._hang_up()
        self._later.clear()
        now = boottime()
        for question in self._open.values():
            question.give_up_at = now + self.patience
        self._again_at = now + _AGAIN if self._open else FOREVER

    def _hang_up(self) -> None:
        assert self._socket is not None  # noqa: S101  - only called while connected
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        self._socket = None
