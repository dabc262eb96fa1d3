"""What the supervisor keeps on disk, and how much room there is for more: for `leasehold doctor`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from supervisor.world.config.models import Settings
from supervisor.world.config.values import size_text
from supervisor.world.disk import shortage
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.level import Finding


def look_at_stock(settings: Settings | None) -> list[Finding]:
    """Return how large the journal is, and whether each disk has room; nothing without a configuration."""
    if settings is None:
        return []
    state_dir = settings.supervisor.state_dir
    if not os.access(_existing(state_dir), os.X_OK):
        return [
            Finding(
                "journal",
                good=True,
                told=f"{state_dir} is closed to this account",
                way_out="ask as its owner",
            )
        ]
    return [_journal(settings), _disks(settings)]


def _journal(settings: Settings) -> Finding:
    state_dir = settings.supervisor.state_dir
    if not (state_dir / "journal.db").exists():
        return Finding("journal", good=True, told=f"none yet in {state_dir}")
    try:
        with Journal.open_reader(state_dir) as reader:
            size = reader.size()
    except JournalError as error:
        return Finding("journal", good=False, told=str(error))
    since = "" if size.since is None else f" since {time.strftime('%Y-%m-%d', time.gmtime(size.since))}"
    told = f"{_mib(size.bytes)} with {size.events} events{since} and {size.sessions} sessions"
    return Finding(
        "journal", good=True, told=f"{told}; bounded at {size_text(settings.supervisor.journal_max)}"
    )


def _disks(settings: Settings) -> Finding:
    floor = settings.supervisor.disk_floor
    places = [_existing(settings.supervisor.state_dir), *(repo.path for repo in settings.repos.values())]
    why = shortage(places, floor, was_short=False)
    if why:
        told, _, way_out = why.partition("; ")
        return Finding("disks", good=False, told=f"nothing starts: {told}", way_out=way_out)
    limit = f"more than {size_text(floor)} free" if floor else "not looked at (supervisor.disk_floor is 0B)"
    return Finding("disks", good=True, told=f"{limit} for the state directory and each repository")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there: it is made at the first start."""
    while not _there(path) and path != path.parent:
        path = path.parent
    return path


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
