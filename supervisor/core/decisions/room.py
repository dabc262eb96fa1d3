"""Room to work: nothing starts while a file system that sessions write to is nearly full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment

if TYPE_CHECKING:
    from supervisor.core.decisions.tables import Tables

LOOK_AGAIN = 30.0  # seconds between two looks while something could run but for this

# Says why there is no room, "" if there is. It is told whether there was none so far: then a little more
# is wanted than to begin with, so that the gate does not flap.
Room = Callable[[bool], str]


@dataclass(frozen=True, slots=True)
class Shortage:
    """There is no room since `since` (Unix seconds); looked at again at `look_at` (CLOCK_BOOTTIME seconds).

    `look_at` is `None` while nothing could run anyway.
    """

    why: str
    since: float
    look_at: float | None


def plenty(_was_short: bool) -> str:  # noqa: FBT001  - the signature of Room
    """Answer that there is always room."""
    return ""


def has_room(tables: Tables, now: Moment, effects: list[Effect]) -> bool:
    """Tell whether a session may start now; the first time it may not, and the next it may, are noted."""
    short = tables.shortage
    why = tables.room(short is not None)
    if why:
        tables.shortage = Shortage(why, short.since if short else now.wall, now.mono + LOOK_AGAIN)
        if short is None:
            effects.append(Note("disk.low", data={"why": why}))
        return False
    if short is not None:
        tables.shortage = None
        effects.append(Note("disk.freed", data={"was": short.why, "lasted": now.wall - short.since}))
    return True


def nothing_to_start(tables: Tables) -> None:
    """Stop looking for room until something could run: an idle supervisor does not wake."""
    if tables.shortage is not None:
        tables.shortage = replace(tables.shortage, look_at=None)
