"""One question to the supervisor without holding up the loop; who gives up waiting takes the question back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import UNIXSocketStream

from supervisor.world.control.client import Client, Refused, Unreachable

RESTART = 10.0  # seconds that a supervisor which is being started again has to come back
_BETWEEN = 0.25  # seconds between two looks for it
_MOST = 64 << 20  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Where the supervisor listens, and the capability of the session that asks."""

    path: str
    token: str

    async def ask(self, method: str, limit: float = 60.0, /, **params: Any) -> Any:
        """Call a method for the session; `limit` bounds the wait for the answer, in seconds.

        Each question has a connection of its own: when it is cancelled, the supervisor sees that nobody waits.

        Raises:
            Refused: the supervisor answered with an error.
            Unreachable: nobody answers, or not in time.
        """
        async with await self._connected() as stream:
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "token": self.token}}
            try:
                with anyio.fail_after(limit):
                    await stream.send(json.dumps(message, separators=(",", ":")).encode() + b"\n")
                    reply = await self._line(stream)
            except TimeoutError as error:
                raise Unreachable(self.path, f"it did not answer within {limit:g} s") from error
        if "error" in reply:
            refusal = reply["error"]
            raise Refused(refusal["code"], refusal["message"], refusal.get("data"))
        return reply["result"]

    async def _connected(self) -> UNIXSocketStream:
        """Return a connection; a supervisor that is just being started again is waited for."""
        deadline = anyio.current_time() + RESTART
        while True:
            try:
                return await UNIXSocketStream.from_socket(self._socket())
            except Unreachable:
                if anyio.current_time() >= deadline:
                    raise
            await anyio.sleep(_BETWEEN)

    def _socket(self) -> socket.socket:
        return Client(self.path).connection()

    async def _line(self, stream: UNIXSocketStream) -> dict[str, Any]:
        found = bytearray()
        while not found.endswith(b"\n"):
            try:
                found += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError) as error:
                raise Unreachable(self.path, "it hung up before it answered") from error
            if len(found) > _MOST:
                raise Unreachable(self.path, f"its answer is longer than {_MOST >> 20} MiB")
        reply: dict[str, Any] = json.loads(found)
        return reply
