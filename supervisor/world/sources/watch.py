"""Hearing of changes in folders of tasks from the kernel; nothing wakes while nothing changes."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import anyio
from asyncinotify import Inotify, Mask

from supervisor.core.tasks.task import Problem
from supervisor.world.sources.survey import Survey, survey
from supervisor.world.sources.tree import is_candidate
from supervisor.world.sources.values import plain
from supervisor.world.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from asyncinotify import Event

_MOVED = Mask.DELETE_SELF | Mask.MOVE_SELF
_NAMES = Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
_CONTENT = _MOVED | _NAMES | Mask.CLOSE_WRITE | Mask.ATTRIB
_QUIET = 0.05  # seconds without an event that end a burst
_LONGEST = 1.0  # seconds after which a burst that does not end is reported all the same
_SURVEYS = 5  # looks at folders that change while they are looked at; later changes are heard
_BATCH = 20_000  # events; what the kernel queues by default is less
_EXHAUSTED = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(slots=True)
class _Spot:
    """A watched folder: the sources that it belongs to, leads to, or is the entrance of by a name."""

    path: str
    inside: set[str] = field(default_factory=set)
    above: set[str] = field(default_factory=set)
    entrance: dict[str, set[str]] = field(default_factory=dict)

    def join(self, other: _Spot) -> None:
        """Add what `other` says of the same folder; the path inside a source is the one events need."""
        if other.inside:
            self.path = other.path
        self.inside |= other.inside
        self.above |= other.above
        for name, sources in other.entrance.items():
            self.entrance.setdefault(name, set()).update(sources)


class FolderWatch:
    """The names of sources whose folders have changed, in bursts, as an asynchronous iterator.

    `folders` are absolute. A folder that does not exist yet, or goes and comes back, is heard of too.
    What is written into a file that is a link to elsewhere is not.
    """

    def __init__(self, folders: Mapping[str, Path], opened: Callable[[], Inotify] = Inotify) -> None:
        self._folders = {name: os.path.abspath(folder) for name, folder in folders.items()}  # noqa: PTH100 - text
        self._opened = opened
        self._inotify: Inotify | None = None
        self._spots: dict[int, _Spot] = {}
        self._changed: set[str] = set()
        self._astray: set[str] = set()
        self._problems: dict[str, Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """A problem for each source that cannot be watched now."""
        return tuple(self._problems.values())

    async def __aenter__(self) -> Self:
        try:
            self._inotify = self._opened()
        except OSError as error:
            self._problems = {name: self._problem(name, error) for name in self._folders}
        else:
            self._inotify.sync_timeout = 0
            try:
                await self._place(self._inotify)
            except BaseException:
                # Cancelled on the way in: nobody will call __aexit__.
                self._inotify.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[str]:
        """Wait for a burst of changes to end and return the sources concerned; safe to cancel."""
        if self._inotify is None:
            await anyio.sleep_forever()
            raise StopAsyncIteration
        while True:
            if not self._changed:
                await anyio.wait_readable(self._inotify.fd)
                self._drain(self._inotify)
            if self._changed:
                await self._settle(self._inotify)
            if self._astray:
                await self._place(self._inotify)
            if self._changed:
                changed = frozenset(self._changed)
                self._changed.clear()
                return changed

    async def _settle(self, inotify: Inotify) -> None:
        with anyio.move_on_after(_LONGEST):
            while True:
                with anyio.move_on_after(_QUIET) as quiet:
                    await anyio.wait_readable(inotify.fd)
                if quiet.cancelled_caught:
                    return
                self._drain(inotify)

    def _drain(self, inotify: Inotify) -> None:
        """Judge all events that are there; only the waiting can be cancelled, so none is lost."""
        for _ in range(_BATCH):
            event = inotify.sync_get()
            if event is None:
                return
            self._judge(event)

    def _judge(self, event: Event) -> None:
        if Mask.Q_OVERFLOW in event:
            # The kernel dropped events, so anything may have happened.
            self._changed |= self._folders.keys()
            self._astray |= self._folders.keys()
            return
        spot = None if event.watch is None else self._spots.get(event.watch.wd)
        if spot is None or Mask.IGNORED in event:
            return
        if event.name is None:
            concerned = spot.inside if Mask.ATTRIB in event else spot.inside | spot.above
            self._changed |= concerned
            self._astray |= concerned
            return
        name = str(event.name)
        entering = spot.entrance.get(name, set())
        self._changed |= entering
        self._astray |= entering
        if spot.inside and name[0] != ".":
            self._judge_inside(event, spot, name)

    def _judge_inside(self, event: Event, spot: _Spot, name: str) -> None:
        path = os.path.join(spot.path, name)  # noqa: PTH118 - text paths
        folder = Mask.ISDIR in event or self._is_watched(path) or os.path.islink(path)  # noqa: PTH114
        if folder:
            self._astray |= spot.inside
        if folder or is_candidate(name):
            self._changed |= spot.inside

    def _is_watched(self, path: str) -> bool:
        return any(spot.path == path for spot in self._spots.values())

    async def _place(self, inotify: Inotify) -> None:
        """Put watches where they belong, and look again until what was found is what is watched."""
        before: dict[str, Survey] | None = None
        for _ in range(_SURVEYS):
            found = await in_thread(self._survey, abandon_on_cancel=True)
            if found == before:
                break
            self._arrange(inotify, found)
            before = found
        self._astray.clear()

    def _survey(self) -> dict[str, Survey]:
        return {name: survey(folder) for name, folder in self._folders.items()}

    def _arrange(self, inotify: Inotify, surveys: Mapping[str, Survey]) -> None:
        spots: dict[int, _Spot] = {}
        self._problems = {}
        for name, found in surveys.items():
            try:
                placed = _put(inotify, name, found)
            except OSError as error:
                self._problems[name] = self._problem(name, error)
                continue
            for number, spot in placed.items():
                spots.setdefault(number, _Spot(spot.path)).join(spot)
        self._spots = spots
        for watch in inotify.watches:
            if watch.wd not in spots:
                # The kernel may have dropped it already, together with the folder.
                with suppress(OSError):
                    inotify.rm_watch(watch)

    def _problem(self, name: str, error: OSError) -> Problem:
        what = f"cannot be watched for changes: {(error.strerror or 'unknown error').lower()}"
        fix = "after a change, reload with SIGHUP"
        if error.errno in _EXHAUSTED:
            what = "cannot be watched for changes: this user's inotify watches or files are used up"
            fix = (
                "raise fs.inotify.max_user_watches and max_user_instances with sysctl, or reload with SIGHUP"
            )
        return Problem(name, plain(self._folders[name]), what, fix)


def _put(inotify: Inotify, source: str, found: Survey) -> dict[int, _Spot]:
    """Watch all that `found` names for `source`.

    Raises:
        OSError: the kernel has no more watches for us.
    """
    spots: dict[int, _Spot] = {}
    for path in found.above:
        for spot in _watch(inotify, spots, path, _MOVED):
            spot.above.add(source)
    for path, name in found.entrances:
        for spot in _watch(inotify, spots, path, _MOVED | _NAMES):
            spot.entrance.setdefault(name, set()).add(source)
    for path in found.folders:
        for spot in _watch(inotify, spots, path, _CONTENT):
            spot.path = path
            spot.inside.add(source)
    return spots


def _watch(inotify: Inotify, spots: dict[int, _Spot], path: str, mask: Mask) -> Iterator[_Spot]:
    """Yield the spot that `path` is, watched; nothing if it is gone or closed to us."""
    try:
        # Two paths may be one folder, and the kernel would put the second mask in place of the first.
        watch = inotify.add_watch(path, mask | Mask.ONLYDIR | Mask.MASK_ADD)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
            return
        raise
    yield spots.setdefault(watch.wd, _Spot(path))
