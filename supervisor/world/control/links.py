"""The clients that are connected."""

from __future__ import annotations

from typing import Protocol

import anyio

from supervisor.world.control.errors import Code, RpcError


class Client(Protocol):
    """What the roll of clients asks of each."""

    def farewell(self, error: RpcError) -> None:
        """Answer all that waits with `error`, and hang up once it is written."""

    def close(self) -> None:
        """Hang up at once."""


class Links:
    """A roll of clients, to say farewell to."""

    __slots__ = ("_clients", "_left")

    def __init__(self) -> None:
        self._clients: dict[Client, None] = {}
        self._left = anyio.Event()  # replaced each time somebody waits for it

    def __len__(self) -> int:
        return len(self._clients)

    def enter(self, client: Client) -> None:
        """Count a client in."""
        self._clients[client] = None

    def leave(self, client: Client) -> None:
        """Count a client out."""
        self._clients.pop(client, None)
        if not self._clients:
            self._left.set()

    async def close(self, seconds: float) -> None:
        """Say farewell to everyone, and hang up on those who have not taken it after `seconds`."""
        self._left = anyio.Event()
        stopping = RpcError(Code.TRY_LATER, "the supervisor is stopping; ask again when it is back")
        for client in tuple(self._clients):
            client.farewell(stopping)
        if self._clients:
            with anyio.move_on_after(seconds, shield=True):
                await self._left.wait()
        for client in tuple(self._clients):
            client.close()
