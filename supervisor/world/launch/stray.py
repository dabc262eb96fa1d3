"""What lives of sessions that the journal does not answer for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from supervisor.core.sessions import reconcile
from supervisor.core.sessions.reconcile import Lock, Remains, Row, judge
from supervisor.world.launch import records
from supervisor.world.launch.found import Sight, look


@dataclass(frozen=True, slots=True)
class Stray:
    """A session without a row that calls it alive: what was seen of it, and what that means in words."""

    session: str
    sight: Sight
    why: str

    @property
    def way_out(self) -> str:
        """How it is ended; what holds a lock without being proven a worker is not ours to end."""
        if self.sight.found.lock is Lock.HELD:
            return "end the process that holds it"
        return f"`leasehold session kill {self.session}` ends it"


def find_strays(
    sessions: Path, alive: Collection[str], row_of: Callable[[str], Row], known: Collection[str] = ()
) -> list[Stray]:
    """Return what lives below `sessions`, or is named in `alive`, and has no row that says so, by id.

    `row_of` says what the journal knows; `known` are not looked at.
    """
    names = {*alive, *_held(sessions, known)} - {*known}
    found = (judge_stray(sessions / name, row_of(name), name in alive) for name in sorted(names))
    return [stray for stray in found if stray is not None]


def judge_stray(folder: Path, row: Row, alive: bool) -> Stray | None:  # noqa: FBT001
    """Return what lives of a session of which the journal says `row`; `None` if that is nothing of a stray."""
    if row not in {Row.ENDED, Row.MISSING}:
        return None
    sight = look(folder, row, remains=Remains.PRESENT if alive else Remains.UNKNOWN)
    verdict = judge(sight.found)
    return Stray(folder.name, sight, verdict.why) if isinstance(verdict, reconcile.Stray) else None


def _held(sessions: Path, known: Collection[str]) -> list[str]:
    """Return the folders whose lock somebody holds, of those that are not known."""
    if not sessions.is_dir():
        return []
    return [
        folder.name
        for folder in sessions.iterdir()
        if folder.name not in known and records.lock_is_held(folder)
    ]
