"""The control server: one unix socket, one event loop, answers without an `await` in between."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from supervisor.world.control.access import Access
from supervisor.world.control.door import Door
from supervisor.world.control.link import Link
from supervisor.world.control.links import Links
from supervisor.world.control.listener import listening
from supervisor.world.control.loop import serving_loop
from supervisor.world.control.methods import Method, registry

_FAREWELL = 1.0  # seconds that clients have to take their last answers


@contextlib.asynccontextmanager
async def serving(
    path: Path,
    methods: Iterable[Method[Any]],
    *,
    access: Access | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[None]:
    """Answer requests on the socket at `path` for as long as the block runs.

    `listener` is a socket that already listens (from systemd, say); then `path` is neither made nor
    removed. On leaving, no new client is let in, those that wait are told that the supervisor stops,
    what is written is flushed (bounded), and the path is removed.

    Raises:
        ListenError: the path cannot be had; the message says why and what to do.
        ValueError: two methods have the same name.
        RuntimeError: this event loop cannot serve.
    """
    verbs = registry(methods)
    rules = access or Access()
    loop = serving_loop()
    links = Links()
    with contextlib.ExitStack() as stack:
        sock = listener if listener is not None else stack.enter_context(listening(path))
        door = Door(sock, loop, lambda client: Link(client, verbs, rules, loop.poller, links))
        try:
            yield
        finally:
            door.close()
            await links.close(_FAREWELL)
