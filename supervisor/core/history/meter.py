"""What was spent of one limit within its window, counted as it happens: looking costs nothing, however long the window is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

_TOGETHER = 30.0  # seconds of spending that are kept as one
_ROOM = 0.25  # of a limit that was used up has to be free again before anything starts


@dataclass(slots=True)
class Meter:
    """The amounts of the last `window` seconds, oldest first, and their sum; `at` is Unix seconds.

    Once the limit is used up, the meter is `closed` until a quarter of it is free. Else each amount that leaves the window would start a
    session, only to have it ended at once.
    """

    limit: float
    window: float
    entries: deque[tuple[float, float]] = field(default_factory=deque)
    total: float = 0.0
    closed: bool = False

    def add(self, at: float, amount: float) -> None:
        """Count an amount; the time never goes back here."""
        self.advance(at)
        if self.entries and at - self.entries[-1][0] < _TOGETHER:
            began, before = self.entries[-1]
            self.entries[-1] = (began, before + amount)
        else:
            self.entries.append((at, amount))
        self.total += amount
        self.closed = self.closed or self.total >= self.limit

    def advance(self, now: float) -> None:
        """Forget what is older than the window."""
        while self.entries and self.entries[0][0] <= now - self.window:
            self.total -= self.entries.popleft()[1]
            if not self.entries:
                self.total = 0.0  # without what rounding left
            self.closed = self.closed and self.total >= self._low

    def overspent(self) -> bool:
        """Tell whether the limit is used up at this moment."""
        return self.total >= self.limit

    def frees(self) -> float | None:
        """Return when (Unix seconds) something may start again, if nothing may now."""
        if not self.closed:
            return None
        left = self.total
        for at, amount in self.entries:
            left -= amount
            if left < self._low:
                return at + self.window
        return self.entries[-1][0] + self.window if self.entries else None

    @property
    def _low(self) -> float:
        return self.limit * (1.0 - _ROOM)


def metered(limit: float, window: float, spent: Iterable[tuple[float, float]]) -> Meter:
    """Return the meter that has counted these amounts, oldest first."""
    meter = Meter(limit, window)
    for at, amount in spent:
        meter.add(at, amount)
    return meter
