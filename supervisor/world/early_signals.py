"""Operators' signals that come before the supervisor can answer them: kept, instead of killing it."""

from __future__ import annotations

import signal
from types import FrameType

# Not TERM and INT: whoever sends those wants an end, and nothing has begun that would need order.
KEPT = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.Signals(signal.SIGRTMIN))


class EarlySignals:
    """Remembers signals from `listen` on; whoever answers signals later asks for them once."""

    def __init__(self) -> None:
        self._came: list[signal.Signals] = []

    def listen(self) -> None:
        """Keep signals from now on. Programs that are started meanwhile have the default effect back."""
        for number in KEPT:
            signal.signal(number, self._keep)

    def taken(self) -> list[signal.Signals]:
        """Return what came, each signal once, in the order of its first arrival."""
        came, self._came = self._came, []
        return list(dict.fromkeys(came))

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(signal.Signals(number))
