"""One accepted client: its socket, its bounded output, and how the two come to an end."""

from __future__ import annotations

import enum
import socket

from supervisor.world.control import wire
from supervisor.world.control.access import Access, Peer
from supervisor.world.control.connection import MAX_UNSENT, Connection, DeafError
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.lines import MAX_LINE, LineTooLongError
from supervisor.world.control.links import Links
from supervisor.world.control.methods import Registry
from supervisor.world.control.poller import HANGUP, READ, WRITE, Poller

_CHUNK = 1 << 16  # bytes read at once


class _Phase(enum.Enum):
    TALKING = enum.auto()
    FINISHING = enum.auto()  # reads no more; hangs up when nothing is owed any more
    CLOSED = enum.auto()


# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_TALKING, _FINISHING, _CLOSED = _Phase.TALKING, _Phase.FINISHING, _Phase.CLOSED


class Link:
    """A client, from accept to close."""

    __slots__ = ("_connection", "_fd", "_links", "_pending", "_phase", "_poller", "_recv", "_sock", "_unsent")

    def __init__(
        self, sock: socket.socket, methods: Registry, access: Access, poller: Poller, links: Links
    ) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._poller = poller
        self._links = links
        self._pending: list[bytes] = []  # said in this tick, to be written at its end
        self._unsent = bytearray()  # written, but the kernel's buffer was full
        credentials = access.credentials(sock)
        self._connection = Connection(methods, Peer(access, credentials), self.push)
        self._phase = _TALKING
        poller.add(self._fd, READ, self.ready)
        links.enter(self)
        if not access.admits(credentials):
            self._dismiss(
                RpcError(
                    Code.DENIED, f"user {credentials.uid} may not use this socket; its owner and root may"
                )
            )

    def ready(self, mask: int) -> None:
        """Read or write, as the poller says."""
        if mask & WRITE:
            self._drain()
        if self._phase is not _TALKING:
            if mask & HANGUP:
                self.close()
            return
        try:
            data = self._recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._finish()
            return
        try:
            answers = self._connection.feed(data)
        except DeafError:
            self.close()
            return
        except LineTooLongError:
            self._dismiss(RpcError(Code.PARSE, f"a line may have {MAX_LINE} bytes; this one is longer"))
            return
        if answers:
            self.push(answers)

    def push(self, lines: bytes) -> None:
        """Send lines at the end of this tick, in one write with whatever else there is to say.

        Writing at once would wake a client for each answer; this way it is woken once for many.
        """
        if not self._pending:
            self._poller.flush_later(self)
        self._pending.append(lines)

    def flush(self) -> None:
        """Write what was pushed."""
        pending = self._pending
        if not pending:
            return
        told = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._write(told)
        if self._phase is not _TALKING:
            self._hang_up_if_done()

    def farewell(self, error: RpcError) -> None:
        """Answer all that waits with `error`, and hang up once it is written."""
        self._connection.dismiss(error)
        self.flush()
        self._connection.gone()
        self._finish()

    def close(self) -> None:
        """Hang up at once and undo what waits; closing twice is no error."""
        if self._phase is _CLOSED:
            return
        self._phase = _CLOSED
        self._poller.remove(self._fd)
        self._sock.close()
        self._unsent.clear()
        self._pending.clear()
        self._links.leave(self)
        self._connection.gone()

    def _dismiss(self, error: RpcError) -> None:
        self._connection.gone()
        self._write(wire.failure_line(None, error))
        self._finish()

    def _finish(self) -> None:
        # A client that will not write any more may still read: `nc -N` is one. What it waits for comes.
        if self._phase is _TALKING:
            self._phase = _FINISHING
            self._poller.change(self._fd, WRITE if self._unsent else 0)
            self._hang_up_if_done()

    def _hang_up_if_done(self) -> None:
        if self._phase is _FINISHING and not (self._unsent or self._pending or self._connection.owes):
            self.close()

    def _write(self, data: bytes) -> None:
        if self._phase is _CLOSED:
            return
        if self._unsent:
            self._keep(data)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._keep(data[sent:])
            if self._unsent:
                self._watch()

    def _keep(self, data: bytes) -> None:
        if len(self._unsent) + len(data) > MAX_UNSENT:
            self.close()  # it does not read; what is lost was never going to be read
            return
        self._unsent += data

    def _drain(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._watch()
            self._hang_up_if_done()

    def _watch(self) -> None:
        reading = READ if self._phase is _TALKING else 0
        self._poller.change(self._fd, reading | (WRITE if self._unsent else 0))
