"""How old history is. A wall clock that is years ahead for a while must not make everything look old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from supervisor.core.moment import Moment

_PACE = 2.0  # seconds by which the age of history may grow in one second: so that it catches up
_ANEW = 86400.0  # seconds by which it may grow over a boot, for the time before is not known


@dataclass(frozen=True, slots=True)
class Today:
    """The instant (`wall`, Unix seconds) from which the age of history is counted, and when that was said.

    `mono` is CLOCK_BOOTTIME seconds of the boot `boot`.
    """

    wall: float
    mono: float
    boot: str

    def as_json(self) -> dict[str, Any]:
        """Return the form that the journal keeps."""
        return asdict(self)


def today(before: Mapping[str, Any] | None, now: Moment, boot: str, keep: float) -> Today:
    """Return from when age is counted now: `now`, unless that is further than time can have passed.

    `before` is the last one as the journal has it. Without one nothing that is in the journal is older than `keep` (seconds):
    how long it has been there is not known.
    """
    match before:
        case {"wall": int() | float() as wall, "mono": int() | float() as mono, "boot": str(of)}:
            passed = _PACE * max(0.0, now.mono - mono) if of == boot else _ANEW
            return Today(min(now.wall, wall + passed), now.mono, boot)
        case _:
            return Today(now.wall - keep, now.mono, boot)
