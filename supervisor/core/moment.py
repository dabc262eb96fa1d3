"""One instant as both clocks saw it; the world ring reads the clocks, the core is handed the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant.

    `mono` is CLOCK_BOOTTIME in seconds: it never steps and counts suspend, so budgets, waits and
    lease ages are measured with it. `wall` is Unix time in seconds: people and calendars use it.
    """

    mono: float
    wall: float

    def later(self, seconds: float) -> Moment:
        """Return the instant `seconds` after this one on both clocks."""
        return Moment(self.mono + seconds, self.wall + seconds)
