"""Answering on the control socket for as long as the supervisor lives, also if somebody cleans it away."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import structlog
from asyncinotify import Inotify, Mask

from supervisor.world.control.access import Access
from supervisor.world.control.errors import ListenError
from supervisor.world.control.methods import Method
from supervisor.world.control.server import serving

log = structlog.get_logger("leasehold")

_GONE = Mask.DELETE | Mask.MOVED_FROM | Mask.DELETE_SELF | Mask.MOVE_SELF
_AGAIN = 5.0  # seconds between two attempts to have the path back


@contextlib.asynccontextmanager
async def answering(
    path: Path, methods: Sequence[Method[Any]], access: Access, listener: socket.socket | None = None
) -> AsyncIterator[None]:
    """Answer at `path` while the block runs. A path that is removed meanwhile is made anew.

    A `listener` is somebody else's, systemd's: its path is neither made, nor made anew, nor removed.

    Raises:
        ListenError: the path cannot be had at the start.
    """
    if listener is not None:
        async with (
            serving(path, methods, access=access, listener=listener),
            _removed(path) as removed,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_say_that_it_is_gone, path, removed)
            yield
            group.cancel_scope.cancel()
        return
    up, over = anyio.Event(), anyio.Event()

    async def answer() -> None:
        while not over.is_set():
            try:
                async with serving(path, methods, access=access), _removed(path) as removed:
                    up.set()
                    await _first(over, removed)
            except ListenError as error:
                if not up.is_set():
                    raise
                log.error("control.not_listening", why=str(error))
                with anyio.move_on_after(_AGAIN):
                    await over.wait()
            if not over.is_set():
                log.warning("control.socket_removed", path=str(path))

    async with anyio.create_task_group() as group:
        group.start_soon(answer, name="control socket")
        await up.wait()
        yield
        over.set()


@contextlib.asynccontextmanager
async def _removed(path: Path) -> AsyncIterator[anyio.Event]:
    """Yield an event that is set once nothing is at `path` any more; the kernel says when to look."""
    gone = anyio.Event()

    async def watch(inotify: Inotify) -> None:
        while path.exists():  # noqa: ASYNC240  - one stat of a local path, after an event
            await anyio.wait_readable(inotify.fd)
            while inotify.sync_get() is not None:
                pass
        gone.set()

    async with anyio.create_task_group() as group:
        with contextlib.ExitStack() as stack:
            try:
                inotify = stack.enter_context(Inotify(sync_timeout=0))
                inotify.add_watch(path.parent, _GONE)
            except OSError as error:
                log.warning("control.not_watched", why=error.strerror)
            else:
                group.start_soon(watch, inotify)
            yield gone
            group.cancel_scope.cancel()


async def _say_that_it_is_gone(path: Path, removed: anyio.Event) -> None:
    await removed.wait()
    log.error(
        "control.socket_removed", path=str(path), way_out="restart the socket unit; sessions are not touched"
    )


async def _first(*events: anyio.Event) -> None:
    """Return when one of the events is set."""
    async with anyio.create_task_group() as group:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            group.cancel_scope.cancel()

        for event in events:
            group.start_soon(wait, event)
