"""One epoll set for all clients. Their requests are answered while the event loop waits, and it hears of none.

A transport for each client would cost a loop iteration, a handle and a context switch of contextvars for each request.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from contextvars import Context, copy_context
from time import monotonic
from typing import Any, Protocol

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANGUP = select.EPOLLHUP | select.EPOLLERR

_TURN = 256  # readiness events handled before the rest of the loop has its turn


class Talker(Protocol):
    """Something with lines to write at the end of a tick."""

    def flush(self) -> None:
        """Write them."""


class Poller:
    """Calls back when descriptors are ready, and flushes what the callbacks left to be written.

    It waits for an event loop whose own descriptor is `loop_fd`; all happens in the loop's thread. The loop sets `is_over`
    when it has something to do. `fault` takes the error of a callback, as the loop's exception handler does.
    """

    __slots__ = ("_callbacks", "_context", "_due", "_epoll", "_fault", "is_over")

    def __init__(self, loop_fd: int, fault: Callable[[dict[str, Any]], object]) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._context = Context()
        self._due: list[Talker] = []
        self._fault = fault
        self.is_over = False
        self.add(loop_fd, READ, self._loop_ready)

    def close(self) -> None:
        """Stop waiting; the descriptors are their owners' to close."""
        self._epoll.close()

    def add(self, fd: int, interest: int, callback: Callable[[int], None]) -> None:
        """Call `callback(mask)` whenever `fd` is ready for something in `interest`; in the first caller's context."""
        self._epoll.register(fd, interest)
        if len(self._callbacks) == 1:
            self._context = copy_context()
        self._callbacks[fd] = callback

    def change(self, fd: int, interest: int) -> None:
        """Replace what `fd` is watched for; hang-ups are always reported."""
        self._epoll.modify(fd, interest)

    def remove(self, fd: int) -> None:
        """Watch `fd` no more; to be called before it is closed."""
        del self._callbacks[fd]
        self._epoll.unregister(fd)

    def flush_later(self, talker: Talker) -> None:
        """Call `talker.flush` once: when this tick's callbacks are through, or before the loop waits."""
        self._due.append(talker)

    def wait(self, seconds: float | None) -> None:
        """Serve until the loop has something to do, for so many seconds at most (`None`: for ever)."""
        self._context.run(self._wait, seconds)

    def _loop_ready(self, _mask: int) -> None:
        self.is_over = True

    def _wait(self, seconds: float | None) -> None:
        self.is_over = False
        self._flush()
        if self.is_over:
            seconds = 0.0
        end = None if seconds is None else monotonic() + seconds
        left = _TURN
        while events := self._epoll.poll(seconds, _TURN):
            self._serve(events)
            left -= len(events)
            if self.is_over or left <= 0:
                return
            if end is not None:
                seconds = max(0.0, end - monotonic())

    def _serve(self, events: list[tuple[int, int]]) -> None:
        for fd, mask in events:
            # One that was closed by an earlier callback is gone from the table. Its number may be
            # in use again already: the new owner finds nothing to read, and returns.
            callback = self._callbacks.get(fd)
            if callback is None:
                continue
            try:
                callback(mask)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001  - as in asyncio: the fault of one must not end the loop
                self._tell(error)
        self._flush()

    def _flush(self) -> None:
        while self._due:  # one that hangs up may have something said to another
            due, self._due = self._due, []
            for talker in due:
                try:
                    talker.flush()
                except Exception as error:  # noqa: BLE001  - the same
                    self._tell(error)

    def _tell(self, error: BaseException) -> None:
        self._fault({"message": "a fault while a client was served", "exception": error})
