"""The transport's side of a connection: bounded output, and one write for all that a tick has to say."""

from __future__ import annotations

import asyncio

import anyio

from supervisor.world.control import wire
from supervisor.world.control.access import Access, Peer
from supervisor.world.control.connection import Connection
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Registry

MAX_BUFFERED = 4 << 20  # bytes that a client may leave unread before it is dropped


class Outbox:
    """Connections with something to say that no request of this tick asked for."""

    __slots__ = ("_links", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._links: list[Link] = []

    def put(self, link: Link) -> None:
        """Have the link flushed at the end of this tick."""
        if not self._links:
            self._loop.call_soon(self.flush)
        self._links.append(link)

    def flush(self) -> None:
        """Write what all of them have to say."""
        links, self._links = self._links, []
        for link in links:
            link.flush()


class Links:
    """The clients that are connected."""

    __slots__ = ("_links", "_nobody")

    def __init__(self) -> None:
        self._links: set[Link] = set()
        self._nobody = asyncio.Event()

    def enter(self, link: Link) -> None:
        """Count a client in."""
        self._links.add(link)

    def leave(self, link: Link) -> None:
        """Count a client out; one that never was let in is no error."""
        self._links.discard(link)
        if not self._links:
            self._nobody.set()

    async def close(self, seconds: float) -> None:
        """Say farewell to everyone, and hang up on those who have not taken it after `seconds`."""
        for link in tuple(self._links):
            link.farewell()
        self._nobody.clear()
        if self._links:
            with anyio.move_on_after(seconds, shield=True):
                await self._nobody.wait()
        for link in tuple(self._links):
            link.abort()


class Link(asyncio.Protocol):
    """One accepted client."""

    def __init__(self, methods: Registry, access: Access, outbox: Outbox, links: Links) -> None:
        self._methods = methods
        self._access = access
        self._outbox = outbox
        self._links = links
        self._pending: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or tell it in one line why not."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  - what a stream server hands over
        self._transport = transport
        credentials = self._access.credentials(transport.get_extra_info("socket"))
        if not self._access.admits(credentials):
            error = RpcError(
                Code.DENIED, f"user {credentials.uid} may not use this socket; its owner and root may"
            )
            transport.write(wire.failure_line(None, error))
            transport.close()
            return
        self._connection = Connection(self._methods, Peer(self._access, credentials), self.push)
        self._links.enter(self)

    def data_received(self, data: bytes) -> None:
        """Answer what arrived."""
        if self._connection is None or self._transport is None:
            return
        answers, more = self._connection.feed(data)
        if answers:
            self._transport.write(answers)
            self._drop_if_deaf()
        if not more:
            self._transport.close()

    def push(self, line: bytes) -> None:
        """Send a line at the end of this tick, together with whatever else it has to say."""
        if not self._pending:
            self._outbox.put(self)
        self._pending.append(line)

    def flush(self) -> None:
        """Write what waits."""
        told = b"".join(self._pending)
        self._pending.clear()
        if self._transport is not None:
            self._transport.write(told)
            self._drop_if_deaf()

    def _drop_if_deaf(self) -> None:
        # The kernel's own buffer is full as well by then; what is lost was never going to be read.
        if self._transport is not None and self._transport.get_write_buffer_size() > MAX_BUFFERED:
            self._transport.abort()

    def farewell(self) -> None:
        """Say to all who wait that the server closes, and hang up once that is written."""
        if self._connection is not None and self._transport is not None:
            self._connection.dismiss(
                RpcError(Code.TRY_LATER, "the supervisor is stopping; ask its successor")
            )
            self._transport.write(b"".join(self._pending))
            self._pending.clear()
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        del exc  # why it left makes no difference to what is undone
        self._links.leave(self)
        self._transport = None
        if self._connection is not None:
            self._connection.gone()
            self._connection = None
