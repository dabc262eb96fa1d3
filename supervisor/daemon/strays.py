"""Workers that live and that the journal does not answer for: found at the start, told, and never doubled."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import structlog

from supervisor.core.decisions import orders
from supervisor.core.decisions.effects import Note
from supervisor.core.sessions.reconcile import Row, Stray, judge
from supervisor.daemon.authority import Authority
from supervisor.daemon.places import Places
from supervisor.daemon.situation import Situation
from supervisor.world.journal.journal import Journal
from supervisor.world.launch import records
from supervisor.world.launch.found import Sight, look

log = structlog.get_logger("leasehold")


async def look_for_strays(
    authority: Authority, journal: Journal, places: Places, situation: Situation
) -> None:
    """Tell of each session that lives without being on the roster, and hold its task while the operator decides.

    Such a session is neither taken over, since nothing says what it was promised, nor ended: its worker
    keeps its budget by itself.
    """
    known = {session.id for session in authority.tables.roster}
    for name in await anyio.to_thread.run_sync(_held, places.sessions, known):
        row = Row.MISSING if journal.session(name) is None else Row.ENDED
        sight = look(places.folder(name), row)
        verdict = judge(sight.found)
        if isinstance(verdict, Stray):
            _tell(authority, situation, places.folder(name), sight, verdict)


def _tell(authority: Authority, situation: Situation, folder: Path, sight: Sight, verdict: Stray) -> None:
    session, pid = folder.name, sight.worker.pid if sight.worker else None
    task = records.read_task(folder)
    way_out = f"; `kill {pid}` stops it" if pid else ""
    situation.strays[session] = f"{verdict.why}{way_out}"
    data = {"why": verdict.why, "worker_pid": pid, "folder": str(folder)}
    authority.do([Note("session.stray", session, task, data)])
    if task is None:
        return
    why = f"session {session} of it lives, but {verdict.why.rpartition('but ')[2]}{way_out}, then `leasehold task release`"
    held = orders.hold(authority.tables, task, "supervisor", why, authority.now())
    if not isinstance(held, orders.NotDone):
        authority.do(held)


def _held(sessions: Path, known: set[str]) -> list[str]:
    """Return the folders whose lock somebody holds, of those that are not known."""
    if not sessions.is_dir():
        return []
    return sorted(
        folder.name
        for folder in sessions.iterdir()
        if folder.name not in known and records.lock_is_held(folder)
    )
