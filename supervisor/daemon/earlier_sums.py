"""What an agent's own session had used before a session of ours took it up again: some agents go on counting there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from supervisor.core.sessions.reading import Reading
from supervisor.world.harness.adapter import Adapter
from supervisor.world.harness.lines import as_json
from supervisor.world.launch.spec import HOME
from supervisor.world.launch.tail import end_of, head_of

EARLIER = "earlier"  # in a session's home
_TAIL = 1 << 18  # bytes of output in which the agent's last event is


def sums_before(adapter: Adapter, earlier: Path) -> dict[str, bytes]:
    """Return the file that tells a session what was counted before it, from the folder of the one that it goes on from.

    One that ended without telling had counted at least what was counted before it.
    """
    reading = Reading()
    for line in end_of(earlier / "out.log", _TAIL).splitlines():
        adapter.hear(line.encode(), reading)
    sums = reading.own.get("sums") or sums_of(earlier)
    return {EARLIER: as_json({"sums": sums})} if sums else {}


def sums_of(folder: Path) -> dict[str, Any] | None:
    """Return what had been counted before a session, as its adapter had it; `None` where nothing is known."""
    try:
        found = json.loads(head_of(folder / HOME / EARLIER, _TAIL))["sums"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = isinstance(found, dict) and all(
        type(value) in {int, float} and math.isfinite(value) and value >= 0 for value in found.values()
    )
    return found if sound else None
