"""Both clocks, and the steps of the wall clock: noticed at the first reading after one."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from supervisor.core.decisions import clock_step
from supervisor.core.decisions.effects import Effect
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.daemon.authority import Authority
from supervisor.world.timer import ClockSet

LEAST = 1.0  # seconds; anything less is the clock being slewed


class SteadyClock:
    """Reads the clocks. When the wall clock was set, the tables are brought in line before anybody decides.

    `offset` is what the wall clock was ahead of CLOCK_BOOTTIME when that was written down last, in this boot.
    """

    def __init__(self, tables: Tables, read: Callable[[], Moment], offset: float | None = None) -> None:
        self._tables = tables
        self._read = read
        first = read()
        self._ahead = first.wall - first.mono if offset is None else offset
        self.offset = self._ahead
        self._effects: list[Effect] = []

    def now(self) -> Moment:
        """Return this instant on both clocks."""
        moment = self._read()
        ahead = moment.wall - moment.mono
        stepped, self._ahead = ahead - self._ahead, ahead
        if abs(stepped) >= LEAST:
            self._effects += clock_step.step(self._tables, stepped)
        if abs(ahead - self.offset) >= LEAST:
            self.offset = ahead
        return moment

    def report_to(self, authority: Authority) -> None:
        """Have what followed from a step recorded."""
        authority.on_time(self._seconds_left, self._ring)

    def _seconds_left(self, _now: Moment) -> float | None:
        return 0.0 if self._effects else None

    def _ring(self, _now: Moment) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


async def keep_time(authority: Authority) -> None:
    """Do what is due when it is due, and whenever the wall clock was set, until cancelled."""
    async with anyio.create_task_group() as group:
        group.start_soon(authority.alarm.run)
        with ClockSet() as clock:
            while True:
                await anyio.wait_readable(clock.fd)
                clock.acknowledge()
                clock.watch()
                authority.tick()
