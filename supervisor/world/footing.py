"""What the host offers to sessions."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.world.launch.ladder import Ladder
from supervisor.world.level import Level


@dataclass(frozen=True, slots=True)
class Footing:
    """How leases are enforced, and what holds the processes of a session together; both as they were tried."""

    level: Level
    seen: str  # what the level was told from
    ladder: Ladder
