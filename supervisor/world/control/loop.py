"""asyncio's event loop, but for one thing: while it waits, the clients of the control socket are served.

An iteration of the loop for each request costs about as much as the answer does, and sessions wait for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

from supervisor.world.control.poller import Poller

_Args = TypeVarTuple("_Args")


class _Selector(selectors.EpollSelector):
    """Lets the poller wait until one of its own descriptors is ready."""

    poller: Poller

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.poller.wait(timeout)
        return super().select(0)

    def close(self) -> None:
        self.poller.close()
        super().close()


class ServingLoop(asyncio.SelectorEventLoop):
    """Hands its waiting to its `poller`, and has it back as soon as something is scheduled."""

    def __init__(self) -> None:
        selector = _Selector()
        self.poller = selector.poller = Poller(selector.fileno(), self.call_exception_handler)
        super().__init__(selector)

    def stop(self) -> None:
        """See asyncio."""
        self.poller.is_over = True
        super().stop()

    def call_soon(
        self,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """See asyncio."""
        self.poller.is_over = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        self.poller.is_over = True
        return super().call_at(when, callback, *args, context=context)


LOOP = {"loop_factory": ServingLoop}
"""The `backend_options` of an `anyio.run` in which a control socket is served."""


def serving_loop() -> ServingLoop:
    """Return the running loop.

    Raises:
        RuntimeError: it is none that can serve a control socket.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, ServingLoop):
        raise RuntimeError("a control socket is served by a ServingLoop alone: see LOOP")  # noqa: TRY004  - no argument of ours
    return loop
