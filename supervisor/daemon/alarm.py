"""The one timer: it sleeps until the next computed instant, or until it is told of an earlier one."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio

from supervisor.world.clock import boottime
from supervisor.world.timer import BootTimer


class Alarm:
    """Rings when something is due. With nothing due it does not wake at all.

    `seconds_left` says how long until then (`None`: no instant is known); `ring` does what is due. Time that
    the machine was suspended counts.
    """

    def __init__(self, seconds_left: Callable[[], float | None], ring: Callable[[], None]) -> None:
        self._seconds_left = seconds_left
        self._ring = ring
        self._timer: BootTimer | None = None
        self._due = math.inf

    def look(self) -> None:
        """Compute the next instant anew; set the timer only if that is earlier than what it sleeps for."""
        seconds = self._seconds_left()
        if self._timer is not None and seconds is not None and boottime() + seconds < self._due - 0.001:
            self._set(self._timer, seconds)

    async def run(self) -> None:
        """Ring whenever something is due, for ever."""
        with BootTimer() as timer:
            self._timer = timer
            try:
                while True:
                    self._set(timer, self._seconds_left())
                    await anyio.wait_readable(timer.fd)
                    timer.acknowledge()
                    self._ring()
            finally:
                self._timer = None

    def _set(self, timer: BootTimer, seconds: float | None) -> None:
        timer.set(seconds)
        self._due = math.inf if seconds is None else boottime() + seconds
