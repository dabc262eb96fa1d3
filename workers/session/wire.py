"""The worker's socket: JSON, one line a message, several clients, none of whom can hold it up."""

from __future__ import annotations

import json
import os
import select
import socket
import sys

from workers.session.clock import boottime
from workers.session.kernel import give_memory_back
from workers.session.kin import Kin
from workers.session.loop import has_hung_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.session.loop import Loop

MAX_LINE = 64 << 20  # bytes; a longer request drops its client; the longest is a list of all leases
MAX_UNSENT = 4 << 20  # bytes; a client that reads slower than this loses the connection
MAX_CLIENTS = 32
_READS = 64  # of what one client has sent, before another is greeted; more than a socket holds
_LONG = 32 << 10  # bytes of a request that takes much memory to read


class Client:
    """One connection."""

    __slots__ = ("_behind", "_greeting", "_unsent", "connection", "received")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()
        self._unsent = bytearray()
        self._greeting: Iterator[bytes] = iter(())  # what follows before anything else, made as it is sent
        self._behind = bytearray()

    def greet(self, pieces: Iterator[bytes]) -> None:
        """Send the first message, which may be far too long to be kept, in pieces as the client takes them."""
        self._greeting = pieces
        self.flush()

    def send(self, message: dict[str, object]) -> bool:
        """Send a message, or keep what does not fit; tell whether the client is still worth having."""
        self._behind += json.dumps(message).encode() + b"\n"
        self.flush()
        return len(self._behind) <= MAX_UNSENT

    def flush(self) -> None:
        """Send what was kept, as far as it goes."""
        try:
            while self._unsent or self._refill():
                del self._unsent[: self.connection.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            # Whoever asks and leaves gets no answer, but what was asked is still to be read.
            self._unsent.clear()
            self._behind.clear()
            self._greeting = iter(())

    @property
    def waits(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    def _refill(self) -> bool:
        self._unsent += next(self._greeting, b"")
        if not self._unsent:
            self._unsent, self._behind = self._behind, self._unsent
        return bool(self._unsent)


class Wire:
    """The listening socket and its clients, in the worker's loop."""

    __slots__ = ("_clients", "_greet", "_listener", "_loop", "_path", "_take")

    def __init__(
        self,
        listener: socket.socket,
        path: str,
        loop: Loop,
        greet: Callable[[], Iterator[bytes]],
        take: Callable[[Client, dict[str, object]], None],
    ) -> None:
        self._listener = listener
        self._path = path
        self._loop = loop
        self._greet = greet
        self._take = take
        self._clients: dict[int, Client] = {}
        listener.setblocking(False)
        loop.watch(listener.fileno(), select.POLLIN, self._accept)

    def tell(self, message: dict[str, object]) -> None:
        """Send an event to everybody who is connected."""
        for client in list(self._clients.values()):
            self.send(client, message)

    def send(self, client: Client, message: dict[str, object]) -> None:
        """Send a message to one client, if it is still there."""
        fd = client.connection.fileno()
        if fd < 0:
            return
        self._keep(fd, client, useful=client.send(message))

    def close(self, patience: float) -> None:
        """Let slow clients read what is left for up to `patience` seconds, then remove the socket."""
        end = boottime() + patience
        for client in self._clients.values():
            if client.waits:
                client.connection.settimeout(max(0.001, end - boottime()))
                client.flush()
            client.connection.close()
        self._clients.clear()
        self._listener.close()
        try:
            os.unlink(self._path)
        except OSError:
            return

    def _accept(self, _mask: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            for fd in list(self._clients):
                self._ready(fd, select.POLLIN)  # whoever has hung up makes room
        refusal = _refusal(connection) if len(self._clients) < MAX_CLIENTS else "too many connections"
        if refusal:
            Client(connection).send({"event": "refused", "error": refusal})
            connection.close()
            return
        client = Client(connection)
        fd = connection.fileno()
        self._hear_out()
        greeting = self._greet()  # what it does is no news to this client
        self._clients[fd] = client
        self._loop.watch(fd, select.POLLIN, lambda mask: self._ready(fd, mask))
        client.greet(greeting)
        self._keep(fd, client, useful=True)

    def _hear_out(self) -> None:
        """Do what those have asked for who have hung up: a new supervisor is to be told what comes of the last words of the old."""
        for fd in list(self._clients):
            for _ in range(_READS):
                if fd not in self._clients or not has_hung_up(fd):
                    break
                self._ready(fd, select.POLLIN)

    def _ready(self, fd: int, mask: int) -> None:
        client = self._clients.get(fd)
        if client is None:
            return
        if mask & select.POLLOUT:
            client.flush()
            self._keep(fd, client, useful=True)
        if mask & ~select.POLLOUT and fd in self._clients:
            self._keep(fd, client, useful=self._receive(client))

    def _receive(self, client: Client) -> bool:
        try:
            piece = client.connection.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        seen = len(client.received)
        client.received += piece
        while (end := client.received.find(b"\n", seen)) >= 0:
            line, seen = bytes(client.received[:end]), 0
            del client.received[: end + 1]
            request = _request(line)
            if request is None:
                return False
            self._take(client, request)
            if len(line) > _LONG:
                del line, request
                give_memory_back()  # of a list of thousands of leases
        return bool(piece) and len(client.received) <= MAX_LINE and client.connection.fileno() >= 0

    def _keep(self, fd: int, client: Client, *, useful: bool) -> None:
        if fd not in self._clients:
            return
        if useful:
            self._loop.listen_for(fd, select.POLLIN | select.POLLOUT if client.waits else select.POLLIN)
            return
        self._loop.forget(fd)
        del self._clients[fd]
        client.connection.close()


def open_listener(path: str, inherited: int | None) -> socket.socket:
    """Return a listening socket at `path`, or the one that was handed down.

    Raises:
        OSError: it cannot be made there.
    """
    if inherited is not None:
        os.set_inheritable(inherited, False)
        listener = socket.socket(fileno=inherited)
        # Again, so that who connects is told that it is this process that listens.
        listener.listen(MAX_CLIENTS)
        return listener
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The session's lock is held, so whatever is at this path was left by a worker that is gone. By way
        # of the folder's descriptor, because an address has room for 107 bytes only.
        if os.path.lexists(path):
            os.unlink(path)
        listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
    listener.listen(MAX_CLIENTS)
    return listener


def _refusal(connection: socket.socket) -> str:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid = (int.from_bytes(credentials[at : at + 4], sys.byteorder) for at in (0, 4))
    if uid not in {0, os.getuid()}:
        return f"user {uid} may not operate this session"
    if Kin(os.getpid()).includes(pid):
        return f"process {pid} belongs to this session, which may not operate itself; ask the supervisor"
    return ""


def _request(line: bytes) -> dict[str, object] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("id"), int | str | None):
        return None
    return message
