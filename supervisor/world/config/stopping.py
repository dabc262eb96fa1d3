"""How long the supervisor may take to end, from the configuration: a service manager must be that patient."""

from __future__ import annotations

import math

from supervisor.world.config.models import Settings

SETTLE = 30.0  # seconds after the longest grace for the sessions to be settled; then the rest is killed
KILL = 15.0  # seconds after that for the killed ones to be gone; then they are named, and it ends
FAREWELL = 10.0  # seconds to answer those who wait and to close the journal


def stop_within(settings: Settings) -> float:
    """Return the seconds from SIGTERM to the supervisor's end at most; infinite where it drains without limit.

    Extended budgets and budgets of tasks do not matter here: only `on_stop`, `drain_timeout` and `grace` do.
    """
    supervisor = settings.supervisor
    grace = max((harness.grace for harness in settings.harness.values()), default=0.0)
    stop = grace + SETTLE + KILL + FAREWELL
    match supervisor.on_stop:
        case "leave":
            return FAREWELL
        case "stop":
            return stop
        case "drain":
            return math.inf if supervisor.drain_timeout is None else supervisor.drain_timeout + stop
