"""The line to one worker: its events come in, wishes go out, and each order is answered when it is done."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.control.access import peer_credentials
from supervisor.world.control.reachable import reachable
from supervisor.world.stopped import why_stopped

Message = Mapping[str, Any]
Answered = Callable[[Message], None]

MAX_LINE = 256 << 20  # bytes; the list of all leases of a session is the longest message there is
# Seconds; all that is answered takes a few at most, and a worker may be stopped by a signal.
ANSWER_WITHIN = 10.0


class WorkerLink(asyncio.Protocol):
    """A connection to a worker's socket; everything happens on the event loop's thread.

    `on_event` is called with each event, `on_lost` once when the connection is. Orders sent while the worker is not connected are refused by
    returning False; the worker's own record tells what became of the session then.
    """

    def __init__(
        self, worker: ProcessId, on_event: Callable[[Message], None], on_lost: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._on_event = on_event
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._last_id = 0
        self._answers: dict[int, Answered] = {}
        self._over = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        path: Path,
        worker: ProcessId,
        on_event: Callable[[Message], None],
        on_lost: Callable[[], None],
    ) -> WorkerLink:
        """Connect to `worker`, which listens at `path` and is known to live.

        A session can put a socket of its own there; so the kernel is asked who listens.

        Raises:
            OSError: nobody listens there, or somebody else does.
        """
        loop = asyncio.get_running_loop()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.setblocking(False)
            with reachable(path) as address:
                await loop.sock_connect(line, address)
            _refuse_another(line, worker)
            _, link = await loop.create_unix_connection(lambda: cls(worker, on_event, on_lost), sock=line)
        except BaseException:
            line.close()
            raise
        return link

    def order(self, op: str, answered: Answered | None = None, **fields: Any) -> bool:
        """Send an order; `answered` hears the worker's answer, before that perhaps that none came in time.

        Return whether it could be sent.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        self._last_id += 1
        if answered is not None:
            self._answers[self._last_id] = answered
            asyncio.get_running_loop().call_later(ANSWER_WITHIN, self._late, self._last_id)
        message = {"id": self._last_id, "op": op, **fields}
        self._transport.write(json.dumps(message).encode() + b"\n")
        return True

    def close(self) -> None:
        """Hang up; the worker goes on."""
        if self._transport is not None:
            self._transport.close()

    async def heard_out(self) -> None:
        """Return once all that the worker said is taken in and it has hung up."""
        await self._over.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the loop)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  - what create_unix_connection makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in whole lines (called by the loop)."""
        seen = len(self._received)
        self._received += data
        while (end := self._received.find(b"\n", seen)) >= 0:
            line, seen = bytes(self._received[:end]), 0
            del self._received[: end + 1]
            self._take(line)
        if len(self._received) > MAX_LINE and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait for an answer that none will come (called by the loop)."""
        self._transport = None
        waiting, self._answers = self._answers, {}
        for answered in waiting.values():
            answered({"ok": False, "gone": True, "why": str(exc or "the worker hung up")})
        self._over.set()
        self._on_lost()

    def _late(self, number: int) -> None:
        answered = self._answers.get(number)  # it stays: what the worker does after all is to be known
        if answered is None:
            return
        how = why_stopped(self._worker.pid)
        error = f"its worker, pid {self._worker.pid}, did not answer within {ANSWER_WITHIN:g} s{': ' * bool(how)}{how}"
        answered({"ok": False, "try_later": True, "error": error})

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if "id" in message:
            answered = self._answers.pop(message["id"], None)
            if answered is not None:
                answered(message)
        else:
            self._on_event(message)


def _refuse_another(line: socket.socket, worker: ProcessId) -> None:
    listener = peer_credentials(line).pid
    if listener not in {worker.pid, os.getpid()}:  # we listened first, for a worker that we started
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"pid {listener} answers there, and is not its worker"
        )
