"""The promise that a batch will be durable, kept or broken later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from supervisor.world.journal.errors import JournalError
from supervisor.world.threads import in_thread


class _Durable:
    """The outcome of a ticket whose entries are on disk."""


DURABLE = _Durable()
Result = _Durable | JournalError


class Ticket:
    """One submitted batch.

    It settles on the thread of the event loop that was running at the submit; without one, on the
    journal's thread.
    """

    __slots__ = ("_arrival", "_callbacks", "_result", "_settled", "loop")

    def __init__(self) -> None:
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None
        self._settled = threading.Event() if self.loop is None else None
        self._arrival: anyio.Event | None = None
        self._callbacks: list[Callable[[Ticket], Any]] = []
        self._result: Result | None = None

    @property
    def done(self) -> bool:
        """Whether it has settled."""
        return self._result is not None

    @property
    def error(self) -> JournalError | None:
        """The reason why the entries are not durable; `None` while pending and once durable."""
        return self._result if isinstance(self._result, JournalError) else None

    async def wait(self) -> None:
        """Return once the entries are durable.

        Raises:
            JournalError: they are not. Unless it is an `EntryRefusedError` or a
                `JournalOverflowError` they are kept and written, in order, by a later
                `Journal.retry`: what undoes them is another entry.
        """
        if self.loop is None:
            await in_thread(self.wait_blocking)
            return
        if self._result is None:
            if self._arrival is None:
                self._arrival = anyio.Event()
            await self._arrival.wait()
        self._raise()

    def wait_blocking(self, timeout: float | None = None) -> None:
        """Like `wait`, for a program without an event loop; at most `timeout` seconds.

        Raises:
            JournalError: as `wait`.
            TimeoutError: nothing is known yet.
            RuntimeError: the batch was submitted on an event loop, which this would block.
        """
        if self._settled is None:
            raise RuntimeError("this ticket settles on an event loop; await wait() instead")
        if not self._settled.wait(timeout):
            raise TimeoutError("the journal has not written the entries yet")
        self._raise()

    def add_done_callback(self, callback: Callable[[Ticket], Any]) -> None:
        """Have the event loop call `callback` with this ticket once it has settled, or now if it has.

        Raises:
            RuntimeError: the batch was submitted without an event loop.
        """
        if self.loop is None:
            raise RuntimeError("this ticket has no event loop to call back on; use wait_blocking()")
        if self._result is None:
            self._callbacks.append(callback)
        else:
            self.loop.call_soon(callback, self)

    def _raise(self) -> None:
        if isinstance(self._result, JournalError):
            raise self._result

    def _settle(self, result: Result) -> None:
        if self._result is not None:  # kept entries written by a retry: the caller was told before
            return
        self._result = result
        if self._arrival is not None:
            self._arrival.set()
        if self._settled is not None:
            self._settled.set()
        if self.loop is not None:
            for callback in self._callbacks:  # through the loop, so that one that raises harms no other
                self.loop.call_soon(callback, self)
            self._callbacks.clear()


def settle(results: Iterable[tuple[Ticket, Result]]) -> None:
    """Settle tickets from the journal's thread, waking each event loop once for all of its own."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, Result]]] = {}
    for ticket, result in results:
        if ticket.loop is None:
            ticket._settle(result)  # noqa: SLF001  - the two halves of one hand-over
        else:
            by_loop.setdefault(ticket.loop, []).append((ticket, result))
    for loop, ours in by_loop.items():
        call_on(loop, _settle_all, ours)


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> None:
    """Have `loop` call `function`; a loop that is closed has nobody left to tell."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle_all(results: Iterable[tuple[Ticket, Result]]) -> None:
    for ticket, result in results:
        ticket._settle(result)  # noqa: SLF001
