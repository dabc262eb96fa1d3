"""The one timer: it sleeps until the next computed instant, or until it is told of an earlier one."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio


class Alarm:
    """Rings when something is due. With nothing due it does not wake at all.

    `seconds_left` says how long until then (`None`: no instant is known); `ring` does what is due.
    """

    def __init__(self, seconds_left: Callable[[], float | None], ring: Callable[[], None]) -> None:
        self._seconds_left = seconds_left
        self._ring = ring
        self._changed = anyio.Event()
        self._due = math.inf

    def look(self) -> None:
        """Compute the next instant anew; wake the timer only if it is earlier than what it sleeps for."""
        seconds = self._seconds_left()
        due = math.inf if seconds is None else anyio.current_time() + seconds
        if due < self._due - 0.001:
            self._changed.set()

    async def run(self) -> None:
        """Ring whenever something is due, for ever."""
        while True:
            self._changed = anyio.Event()
            seconds = self._seconds_left()
            self._due = math.inf if seconds is None else anyio.current_time() + seconds
            with anyio.move_on_at(self._due):
                await self._changed.wait()
                continue
            self._ring()
