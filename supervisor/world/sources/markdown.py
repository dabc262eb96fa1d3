"""A folder of Markdown files, one task each, with YAML front matter."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from supervisor.core.tasks.task import Problem, Reading
from supervisor.world.sources import frontmatter
from supervisor.world.sources.entry import Entry, Gathered, Rejected, gather, read_entry
from supervisor.world.sources.tree import Folder, Obstacle, is_shortage, obstacle, walk
from supervisor.world.sources.values import Refused, plain
from supervisor.world.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from supervisor.world.sources.mapping import Defaults

_LARGEST = 2 * 1024 * 1024  # bytes of a file
# File systems stamp with the clock of the last timer tick. A file that changed so shortly before it was
# read may change again under the same stamp.
_SETTLED = 100_000_000  # nanoseconds
_LOOK_AGAIN = 10.0  # seconds until the next reading after one that failed for want of something on the host
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Stamp(NamedTuple):
    """What changes when a file changes; a tuple, because ten thousand are compared at each reading."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was read; an `entry` of `None` is a file that is no task."""

    stamp: _Stamp
    settled: bool
    entry: Entry | None


class MarkdownSource:
    """The tasks in a folder and the folders below it.

    A file that has not changed since the last reading is not opened again.
    """

    def __init__(self, name: str, folder: Path, defaults: Defaults) -> None:
        self._name = name
        self._folder = folder
        self._defaults = defaults
        self._known: dict[str, _Known] = {}
        self._due: float | None = None

    @property
    def name(self) -> str:
        """The name of the source in the configuration."""
        return self._name

    @property
    def folder(self) -> Path:
        """The folder, as configured."""
        return self._folder

    @property
    def due(self) -> float | None:
        """Unix time in seconds at which a task held by `wait` becomes free, if there is one."""
        return self._due

    async def read(self) -> Reading:
        """Return the tasks in the folder now; a missing folder has none and one problem."""
        # Abandoning is safe: the thread only reads, and what it found is put in place here.
        look = partial(self._look, self._known)
        self._known, gathered = await in_thread(look, abandon_on_cancel=True)
        self._due = gathered.due
        return gathered.reading

    def _look(self, before: dict[str, _Known]) -> tuple[dict[str, _Known], Gathered]:
        try:
            known, obstacles = self._scan(before)
        except OSError as error:
            what = f"cannot be read now: {(error.strerror or 'unknown error').lower()}; its last tasks hold"
            problem = Problem(self._name, plain(str(self._folder)), what, "it is read again soon")
            return before, Gathered(
                Reading(self._name, (), (problem,), unread=True), time.time() + _LOOK_AGAIN
            )
        entries = (known[path].entry for path in sorted(known))
        tasks = (entry for entry in entries if entry is not None)
        problems = (Problem(self._name, plain(o.path), o.what, o.fix) for o in obstacles)
        return known, gather(self._name, tasks, problems, time.time())

    def _scan(self, before: dict[str, _Known]) -> tuple[dict[str, _Known], list[Obstacle]]:
        known: dict[str, _Known] = {}
        obstacles: list[Obstacle] = []
        links: list[os.DirEntry[str]] = []
        try:
            for visit in walk(str(self._folder)):
                match visit:
                    case Obstacle():
                        obstacles.append(visit)
                    case Folder(_, candidates):
                        links.extend(entry for entry in candidates if entry.is_symlink())
                        files = (entry for entry in candidates if not entry.is_symlink())
                        obstacles.extend(self._take(files, before, known))
        except OSError as error:
            if is_shortage(error):
                raise
            obstacles.append(_no_folder(str(self._folder), error))
        # A link to a task that was found under its own name is that task, not a second one.
        inodes = {(file.stamp.device, file.stamp.inode) for file in known.values()} if links else set()
        for link in sorted(links, key=lambda entry: entry.path):
            obstacles.extend(self._take([link], before, known, inodes))
        return known, obstacles

    def _take(
        self,
        entries: Iterator[os.DirEntry[str]] | list[os.DirEntry[str]],
        before: dict[str, _Known],
        known: dict[str, _Known],
        taken: set[tuple[int, int]] | None = None,
    ) -> Iterator[Obstacle]:
        """Put what each of `entries` is into `known`, from `before` if it has not changed."""
        for entry in entries:
            try:
                status = entry.stat()
                if taken is not None:
                    identity = (status.st_dev, status.st_ino)
                    if identity in taken:
                        continue
                    taken.add(identity)
                old = before.get(entry.path)
                if old is not None and old.settled and old.stamp == _stamp(status):
                    known[entry.path] = old
                elif stat.S_ISREG(status.st_mode):
                    known[entry.path] = self._open(entry.path)
                else:
                    yield _not_a_file(entry.path, status.st_mode)
            except FileNotFoundError as error:
                # A plain file may have gone since it was listed; that is no fault.
                if entry.is_symlink():
                    yield obstacle(entry.path, error)
            except OSError as error:
                if is_shortage(error):
                    raise
                yield obstacle(entry.path, error)

    def _open(self, path: str) -> _Known:
        # Without O_NONBLOCK a pipe put in the place of the file would hold us until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            now = time.time_ns()
            status = os.fstat(descriptor)
            content = file.read(_LARGEST + 1)
        entry = self._entry(path, content, status.st_mtime)
        return _Known(_stamp(status), now - status.st_ctime_ns > _SETTLED, entry)

    def _entry(self, path: str, content: bytes, modified: float) -> Entry | None:
        where = plain(path)
        try:
            return self._parse(path, content, where, modified)
        except Refused as refusal:
            return Rejected(Problem(self._name, where, refusal.what, refusal.fix))

    def _parse(self, path: str, content: bytes, where: str, modified: float) -> Entry | None:
        if not content.removeprefix(b"\xef\xbb\xbf").startswith(b"---") and not content.startswith(_UTF16):
            return None
        if len(content) > _LARGEST:
            raise Refused(f"the file is larger than {_LARGEST // 1024**2} MiB", "move attachments elsewhere")
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise Refused(f"the file is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
        parts = frontmatter.split(text)
        if parts is None:
            return None
        data = frontmatter.load(parts[0])
        stem = os.path.basename(path).removesuffix(".md")  # noqa: PTH119 - text paths
        fallback = {"key": stem, "title": frontmatter.heading(parts[1]) or stem}
        if parts[1]:
            # The text is the task; other tools keep a one-line "description" in the front matter.
            data["body"] = parts[1]
        return read_entry(
            data,
            source=self._name,
            where=where,
            defaults=self._defaults,
            created=modified,
            fallback=fallback,
        )


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _no_folder(path: str, error: OSError) -> Obstacle:
    if isinstance(error, FileNotFoundError):
        return Obstacle(
            path, "the folder does not exist; it has no tasks", "create it, or correct the source's path"
        )
    if isinstance(error, NotADirectoryError):
        return Obstacle(
            path, "is not a folder; it has no tasks", "point the source to a folder of *.md files"
        )
    return obstacle(path, error)


def _not_a_file(path: str, mode: int) -> Obstacle:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((word for matches, word in kinds if matches(mode)), "a device")
    return Obstacle(path, f"is {kind}, not a file", "rename it, so that it does not end in .md")
