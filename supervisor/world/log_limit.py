"""A storm of like log lines is cut short: the first ones are written, the rest is counted in one line.

Nothing is lost by it: every event is in the journal, and `leasehold events -f` shows them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog

LINES = 100  # of one kind
WITHIN = 10.0  # seconds

# Endings, promises and what explains a standstill are never left out; nor is what somebody asked to see.
_NEVER = (
    *("session.", "supervisor.", "task.parked", "lane.", "intensity.", "disk.", "journal.", "clock."),
    *("dump.", "log."),
)


@dataclass(slots=True)
class _Spell:
    """Lines of one kind since `began` (steady seconds)."""

    began: float
    lines: int = 0

    @property
    def suppressed(self) -> int:
        return max(0, self.lines - LINES)


class LineLimit:
    """A processor of structlog; put it behind the one that adds the level. Debug lines are not limited."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spells: dict[str, _Spell] = {}

    def __call__(self, _logger: Any, level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Pass the line on, or drop it; tell of storms that are over first."""
        kind = str(line.get("event"))
        if level == "debug" or kind.startswith(_NEVER):
            return line
        now = self._clock()
        self._tell_of([name for name, spell in self._spells.items() if now - spell.began >= WITHIN])
        spell = self._spells.setdefault(kind, _Spell(now))
        spell.lines += 1
        if spell.suppressed:
            raise structlog.DropEvent
        return line

    def settle(self) -> None:
        """Tell of what was left out so far, at the end of the process."""
        self._tell_of(list(self._spells))

    def _tell_of(self, kinds: list[str]) -> None:
        for kind in kinds:
            spell = self._spells.pop(kind)
            if spell.suppressed:
                log = structlog.get_logger("leasehold")
                log.warning("log.suppressed", kind=kind, lines=spell.suppressed, within=WITHIN)
