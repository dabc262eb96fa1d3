"""The rung of cgroups: each session in a group of its own, without a service manager."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from supervisor.world.cgroups import group
from supervisor.world.cgroups.hierarchy import MARK, CgroupError, look
from supervisor.world.cgroups.probe import PROBE, Base
from supervisor.world.launch.launcher import Cleared, LaunchError, StartedWorker
from supervisor.world.launch.local import start_worker
from supervisor.world.launch.mark import Mark
from supervisor.world.launch.records import RecordError, read_cgroup
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import Limits, SessionSpec
from supervisor.world.launch.sweep import sweep_tagged
from supervisor.world.processes import describe
from supervisor.world.threads import in_thread

_PATIENCE = 10.0  # seconds for killed processes to be gone


class CgroupLauncher:
    """Starts each worker with a group made for it below `base`; the worker enters it before its harness is born."""

    rung = Rung.CGROUP

    def __init__(self, base: Base) -> None:
        self._base = base

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        """Make the session's group with its limits, and start its worker.

        Raises:
            LaunchError: the group, the folder or the process could not be made.
        """
        place = self._base.path / spec.session
        try:
            self._make(place, spec.limits)
            return start_worker(replace(spec, cgroup=str(place), rung=self.rung), folder)
        except OSError as error:
            self._drop(place)
            raise LaunchError(f"cannot make the session's cgroup {place}: {error.strerror}") from error
        except LaunchError:
            self._drop(place)
            raise

    async def clear(self, session: str, folder: Path) -> Cleared:
        """Kill the session's group as one, then what got out of it but names the session."""
        return Cleared.of([await self.tidy(session, folder), await sweep_tagged(session, folder)])

    async def tidy(self, session: str, folder: Path) -> Cleared:
        """Remove the session's group; end what still runs in it."""
        mark = Mark(session, folder)
        return Cleared.of([await self._end(place, mark) for place in self._places(session, folder)])

    async def _end(self, place: Path, mark: Mark) -> Cleared:
        why = _evidence(place)
        lives = group.populated(place)  # the list alone may miss what changes its pid all the time
        listed = group.members(place) if lives else []
        if any(map(mark.is_anothers, listed)):
            return Cleared()  # this is a copy of a state directory, and that group is the original's
        left: list[int] = []
        if lives:
            try:
                _refuse_our_own(place)
                left = await in_thread(group.end, place, _PATIENCE, abandon_on_cancel=True)
            except OSError as error:
                return Cleared((), (f"{place} cannot be killed: {error.strerror}",), why)
        if not left:
            self._drop(place)
        return Cleared(tuple(pid for pid in listed if pid not in left), tuple(map(describe, left)), why)

    async def found(self) -> frozenset[str]:
        """Return the sessions that have a group, with processes or without."""
        try:
            names = {entry.name for entry in os.scandir(self._base.path) if entry.is_dir()}
        except FileNotFoundError:
            return frozenset()
        return frozenset(name for name in names if not name.startswith(PROBE))

    async def alive(self) -> frozenset[str]:
        """Return the sessions in whose groups processes live."""
        return frozenset(name for name in await self.found() if group.populated(self._base.path / name))

    def _make(self, place: Path, limits: Limits) -> None:
        try:
            place.mkdir()
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                place.parent.mkdir()
            group.hand_down(place.parent)
            place.mkdir()
        if limits.memory is not None and "memory" in self._base.limits:
            group.limit(place, "memory", limits.memory)
        if limits.processes is not None and "pids" in self._base.limits:
            group.limit(place, "pids", limits.processes + 1)  # the worker is no process of the harness

    def _places(self, session: str, folder: Path) -> list[Path]:
        """Return where the session's group may be: ours, and where an earlier supervisor may have made it.

        The latter is read in a folder into which the session can write, and so is never the only one.
        """
        places = [self._base.path / session]
        with contextlib.suppress(RecordError):
            recorded = Path(read_cgroup(folder) or "/")
            if recorded.name == session and recorded.parent.name.startswith(MARK) and recorded not in places:
                places.append(recorded)
        return places

    def _drop(self, place: Path) -> None:
        with contextlib.suppress(OSError):
            group.remove(place)
            place.parent.rmdir()  # succeeds for the last one


def _refuse_our_own(place: Path) -> None:
    try:
        own = look().own
    except CgroupError:
        own = None
    if own is not None and own.is_relative_to(place):
        raise OSError(0, "the supervisor itself is in it")


def _evidence(place: Path) -> str:
    if kills := group.count(place, "memory.events", "oom_kill"):
        return f"out of memory: the kernel killed {kills} of its processes at the session's limit"
    return ""
