"""The clocks a session runs against: wall clock, warning, grace, start-up, stall and residence."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one session, all in seconds.

    `wall` from start to the first stop signal; `warn` that long before its end; `grace` between the
    stop signal and the kill; `startup` until the first byte of output; `stall` without a change of
    HEAD, tree or log; `resident` between "finished" and being gone. `None` sets no such limit.
    """

    wall: float
    warn: float
    grace: float
    startup: float | None = None
    stall: float | None = None
    resident: float | None = None

    def extended(self, seconds: float) -> Budget:
        """Return the budget with `seconds` more wall clock."""
        return replace(self, wall=self.wall + seconds)

    def left(self, elapsed: float) -> float:
        """Return the seconds until the stop; negative once it is due."""
        return self.wall - elapsed

    def as_spec(self) -> dict[str, float | None]:
        """Return the form that the worker reads from spec.json."""
        return {
            "wall": self.wall,
            "warn": self.warn,
            "grace": self.grace,
            "startup": self.startup,
            "stall": self.stall,
            "resident": self.resident,
        }
