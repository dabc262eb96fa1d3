"""The one place where the supervisor reads its clocks."""

from __future__ import annotations

import time

from supervisor.core.moment import Moment


def now() -> Moment:
    """Return this instant on both clocks."""
    return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
