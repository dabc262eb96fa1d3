"""Limits of memory and processes that the configuration sets for sessions, and what becomes of them here."""

from __future__ import annotations

import structlog

from supervisor.world.config.models import HarnessSettings, Settings
from supervisor.world.launch.ladder import Ladder
from supervisor.world.launch.spec import Limits

log = structlog.get_logger("leasehold")

CONTROLLER = {"memory": "memory", "processes": "pids"}  # of a key of [harness.NAME]


def limits_of(harness: HarnessSettings) -> Limits:
    """Return the limits of a session of this harness."""
    return Limits(memory=harness.memory, processes=harness.processes)


def not_kept(settings: Settings, ladder: Ladder) -> list[str]:
    """Return the keys that set a limit which nothing here can keep, as in "harness.agent.memory"."""
    return [
        f"harness.{name}.{key}"
        for name, harness in settings.harness.items()
        for key, controller in CONTROLLER.items()
        if getattr(harness, key) is not None and controller not in ladder.limits
    ]


def say_what_is_not_kept(settings: Settings, ladder: Ladder) -> None:
    """Log each limit that sessions will not have."""
    for key in not_kept(settings, ladder):
        log.warning("limit.not_kept", key=key, rung=ladder.rung.value, way_out="leasehold doctor")
