"""The one place where the supervisor reads its clocks."""

from __future__ import annotations

import time

from supervisor.core.moment import Moment


def now() -> Moment:
    """Return this instant on both clocks."""
    return Moment(boottime(), time.time())


def boottime() -> float:
    """Return the seconds since the machine was booted, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
