"""Forgetting what is older than `supervisor.retain_days`: events, ended sessions, and their folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Effect
from supervisor.core.moment import Moment
from supervisor.daemon.authority import Authority
from supervisor.world.failpoint import failpoint
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal

log = structlog.get_logger("leasehold")

DAY = 86400.0


class Retention:
    """Prunes once at the start and then every day; `days` is asked each time, as a reload may change it."""

    def __init__(
        self, authority: Authority, group: TaskGroup, journal: Journal, folders: Path, days: Callable[[], int]
    ) -> None:
        self._group = group
        self._journal = journal
        self._folders = folders
        self._days = days
        self._living = authority.tables.roster
        self._next = authority.now().mono
        authority.on_time(self._seconds_left, self._ring)

    def _seconds_left(self, now: Moment) -> float | None:
        return max(0.0, self._next - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        if now.mono >= self._next:
            self._next = now.mono + DAY
            self._group.start_soon(self._prune, now.wall - self._days() * DAY, name="retention")
        return []

    async def _prune(self, before: float) -> None:
        living = {session.id for session in self._living}
        try:
            removed = await self._journal.prune(before)
            failpoint("retention.journal_pruned")
            folders = await anyio.to_thread.run_sync(_remove_folders, self._folders, before, living)
        except (JournalError, OSError) as error:
            log.warning("retention.failed", why=str(error))
            return
        if removed or folders:
            log.info("retention.pruned", rows=removed, folders=folders)


def _remove_folders(parent: Path, before: float, living: set[str]) -> int:
    """Remove the folders of sessions that ended before `before` (Unix seconds); return how many."""
    removed = 0
    if not parent.is_dir():
        return removed
    for folder in parent.iterdir():
        record = folder / "exit.json"
        if folder.name not in living and record.is_file() and record.stat().st_mtime < before:
            shutil.rmtree(folder)
            failpoint("retention.folder_removed")
            removed += 1
    return removed
