"""Forgetting what is older than `supervisor.retain_days`, and the oldest of what takes too much room."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Effect
from supervisor.core.history.age import today
from supervisor.core.moment import Moment
from supervisor.daemon.authority import Authority
from supervisor.world.config.models import SupervisorSettings
from supervisor.world.failpoint import failpoint
from supervisor.world.journal.entries import Meta
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.launch.records import lock_is_held
from supervisor.world.processes import boot_id
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

DAY = 86400.0
TODAY = "history.today"
MANY = 50_000  # events after which the sizes are looked at again, long before the day is over


class Retention:
    """Prunes once at the start, then every day, and after many events.

    `settings` is asked each time, as a reload may change it. `kept` is what an earlier one left under `TODAY` in the
    journal.
    """

    def __init__(
        self,
        authority: Authority,
        group: TaskGroup,
        journal: Journal,
        folders: Path,
        settings: Callable[[], SupervisorSettings],
        kept: Mapping[str, Any] | None,
    ) -> None:
        self._today = kept
        self._group = group
        self._journal = journal
        self._folders = folders
        self._settings = settings
        self._living = authority.tables.roster
        self._recorder = authority.recorder
        self._next = authority.now().mono
        self._next_seq = 0
        authority.on_time(self._seconds_left, self._ring)

    def _seconds_left(self, now: Moment) -> float | None:
        return 0.0 if self._recorder.seq >= self._next_seq else max(0.0, self._next - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        if now.mono >= self._next or self._recorder.seq >= self._next_seq:
            self._next = now.mono + DAY
            self._next_seq = self._recorder.seq + MANY
            self._group.start_soon(self._prune, now, name="retention")
        return []

    async def _prune(self, now: Moment) -> None:
        settings = self._settings()
        counted = today(self._today, now, boot_id(), settings.retain_days * DAY)
        self._today = counted.as_json()
        self._recorder.submit([Meta(TODAY, self._today)])
        before = counted.wall - settings.retain_days * DAY
        living = {session.id for session in self._living}
        try:
            removed = await self._journal.prune(before, settings.journal_max)
            failpoint("retention.journal_pruned")
            folders = await in_thread(remove_folders, self._folders, before, settings.logs_max, living)
        except (JournalError, OSError) as error:
            log.warning("retention.failed", why=str(error))
            return
        if removed or folders:
            log.info("retention.pruned", rows=removed, folders=folders)


@dataclass(frozen=True, slots=True, order=True)
class _Ended:
    """The folder of a session that ended at `at` (Unix seconds), with the bytes that it takes on the disk."""

    at: float
    size: int
    folder: Path


def remove_folders(parent: Path, before: float, most: int, living: set[str]) -> int:
    """Remove the folders of sessions that ended before `before` (Unix seconds); return how many.

    Where those that stay take more than `most` bytes, the oldest go too.
    """
    if not parent.is_dir():
        return 0
    ended = sorted(
        found
        for folder in parent.iterdir()
        if folder.name not in living and (found := _ended(folder, before)) is not None
    )
    taken = sum(found.size for found in ended)
    removed = 0
    for found in ended:
        if found.at >= before and taken <= most:
            break
        shutil.rmtree(found.folder)
        failpoint("retention.folder_removed")
        taken -= found.size
        removed += 1
    return removed


def _ended(folder: Path, before: float) -> _Ended | None:
    """Return when the session of a folder ended, by its worker's record; without one, only what is old has ended."""
    if folder.is_symlink() or not folder.is_dir() or lock_is_held(folder):
        return None
    try:
        at = (folder / "exit.json").stat().st_mtime
    except OSError:
        at = max(file.lstat().st_mtime for file in (folder, *folder.iterdir()))
        if at >= before:
            return None  # its start may be under way
    return _Ended(at, _size(folder), folder)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))
