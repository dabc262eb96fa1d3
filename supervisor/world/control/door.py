"""Letting clients in."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import structlog

from supervisor.world.control.loop import ServingLoop
from supervisor.world.control.poller import READ

_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 1.0  # seconds before the next try when the process has no descriptor left

_log = structlog.get_logger(__name__)


class Door:
    """Accepts clients of a listening socket and hands each to `welcome`, as a non-blocking socket."""

    __slots__ = ("_listener", "_loop", "_pause", "_poller", "_welcome")

    def __init__(
        self,
        listener: socket.socket,
        loop: ServingLoop,
        welcome: Callable[[socket.socket], object],
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._loop = loop
        self._poller = loop.poller
        self._welcome = welcome
        self._pause: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Let nobody in any more; the listening socket stays its owner's."""
        if self._pause is None:
            self._poller.remove(self._listener.fileno())
        else:
            self._pause.cancel()

    def _open(self) -> None:
        self._pause = None
        self._poller.add(self._listener.fileno(), READ, self._ready)

    def _ready(self, _: int) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                # The client stays in the queue and the listener readable: without a pause we would spin.
                _log.warning("no client can be let in", reason=error.strerror, retry_s=_PAUSE)
                self._poller.remove(self._listener.fileno())
                self._pause = self._loop.call_later(_PAUSE, self._open)
                return
            sock.setblocking(False)
            try:
                self._welcome(sock)
            except OSError:
                sock.close()  # it was gone before we could look who it is
