"""Strays as `leasehold doctor` tells of them, with or without a supervisor that runs."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.core.sessions.reconcile import Row
from supervisor.world.cgroups.hierarchy import MARK, CgroupError, look, places
from supervisor.world.cgroups.probe import Base
from supervisor.world.config.models import Settings
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.launch.grouped import CgroupLauncher
from supervisor.world.launch.installation import known_installation
from supervisor.world.launch.ladder import Ladder
from supervisor.world.launch.stray import find_strays
from supervisor.world.level import Finding


async def look_for_strays(settings: Settings | None, ladder: Ladder) -> list[Finding]:
    """Return what lives of sessions that the journal does not answer for; nothing that this account cannot see."""
    if settings is None or not os.access(settings.supervisor.state_dir, os.X_OK | os.R_OK):
        return []
    state_dir = settings.supervisor.state_dir
    alive = set(await ladder.alive())
    for group in _groups(state_dir):
        alive |= await CgroupLauncher(Base(group, frozenset())).alive()
    try:
        with Journal.open_reader(state_dir) as reader:

            def row_of(session: str) -> Row:
                row = reader.session(session)
                if row is None:
                    return Row.MISSING
                return Row.BEGUN if row.ended_at is None else Row.ENDED

            strays = find_strays(state_dir / "sessions", alive, row_of)
    except JournalError:
        strays = find_strays(state_dir / "sessions", alive, lambda _session: Row.MISSING)
    return [
        Finding(f"stray {stray.session}", good=False, told=stray.why, way_out=stray.way_out)
        for stray in strays
    ]


def _groups(state_dir: Path) -> list[Path]:
    """Return the groups that this installation may have made for its sessions."""
    mark = known_installation(state_dir)
    if mark is None:
        return []
    try:
        return [place / f"{MARK}{mark}" for place in places(look())]
    except CgroupError:
        return []
