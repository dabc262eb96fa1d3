"""The task sources, read when told: at start, by a signal, after a change, at a source's own instant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment
from supervisor.core.tasks.backlog import Offer, Work
from supervisor.core.tasks.task import Problem, Reading, Task
from supervisor.daemon.authority import Authority
from supervisor.world.sources.markdown import MarkdownSource
from supervisor.world.sources.source import Source

log = structlog.get_logger("leasehold")

ToWork = Callable[[Task], Work | Problem]


class Sources:
    """Reads sources and offers what they say to the backlog. Each source is read by one task at a time."""

    def __init__(self, authority: Authority, group: TaskGroup, to_work: ToWork) -> None:
        self._authority = authority
        self._group = group
        self._to_work = to_work
        self._sources: dict[str, Source] = {}
        self._every: dict[str, float] = {}
        self._last: dict[str, Reading] = {}
        self._read_at: dict[str, float] = {}  # CLOCK_BOOTTIME seconds
        self._reading: dict[str, anyio.Event] = {}  # set when the reading is over
        self._again: set[str] = set()
        self._then: dict[str, list[Callable[[], object]]] = {}
        self._said: tuple[Problem, ...] = ()
        self.configured = anyio.Event()  # set, and replaced, whenever other sources are in force
        authority.on_time(self._seconds_left, self._ring)

    def configure(self, sources: Iterable[Source], every: dict[str, float]) -> None:
        """Take these sources in place of the former ones; `every` has intervals in seconds."""
        fresh = {source.name: source for source in sources}
        for name in self._sources.keys() - fresh.keys():
            self._authority.tables.backlog.withdraw(name)
            self._last.pop(name, None)
        self._sources, self._every = fresh, every
        self.configured.set()
        self.configured = anyio.Event()

    async def read_all(self) -> None:
        """Read every source once and return when all have been taken in."""
        async with anyio.create_task_group() as group:
            for name in self._sources:
                group.start_soon(self._read, name)

    def reread(self, sources: frozenset[str]) -> None:
        """Read these sources again; one that is being read is read once more afterwards."""
        for name in sources:
            if name not in self._sources:
                self._confirm(name)
            elif name in self._reading:
                self._again.add(name)
            else:
                self._group.start_soon(self._read, name, name=f"source {name}")

    def _confirm(self, name: str) -> None:
        """Take what is offered without a source to read, such as a hand-off, as it is."""
        tables = self._authority.tables
        tables.rereading.pop(name, None)
        if tables.backlog.confirm(name, self._authority.now().wall):
            asyncio.get_running_loop().call_soon(self._authority.tick)
        self._call(self._then.pop(name, []))

    def read_then(self, source: str, then: Callable[[], object]) -> None:
        """Read a source again, and call `then` once that reading has been taken in, or the source is gone."""
        self._then.setdefault(source, []).append(then)
        self.reread(frozenset({source}))

    def folders(self) -> dict[str, Path]:
        """Return the folders whose changes concern a source, by its name."""
        return {
            name: source.folder
            for name, source in self._sources.items()
            if isinstance(source, MarkdownSource)
        }

    def busy(self) -> bool:
        """Tell whether a source is being read now."""
        return bool(self._reading)

    async def _read(self, name: str) -> None:
        """Read a source; if it is being read, have it read once more, since that may have begun too early."""
        if (over := self._reading.get(name)) is not None:
            self._again.add(name)
            await over.wait()
            return
        over = self._reading[name] = anyio.Event()
        try:
            while (source := self._sources.get(name)) is not None:
                self._again.discard(name)
                began = self._authority.now()
                then = self._then.pop(name, [])
                self._read_at[name] = began.mono
                reading = await source.read()
                if self._sources.get(name) is not source:  # a reload came in between
                    self._then.setdefault(name, []).extend(then)
                    continue
                self._take(reading, began)
                self._call(then)
                if name not in self._again:
                    break
        finally:
            del self._reading[name]
            over.set()
            self._authority.tables.rereading.pop(name, None)
            self._authority.alarm.look()
        if name not in self._sources:
            self._call(self._then.pop(name, []))

    @staticmethod
    def _call(then: Iterable[Callable[[], object]]) -> None:
        for call in then:
            call()

    def _take(self, reading: Reading, began: Moment) -> None:
        """Offer a reading to the backlog. A source that could not be read at all keeps its last tasks."""
        tables = self._authority.tables
        works: list[Work] = []
        problems = list(reading.problems)
        last = self._last.get(reading.source)
        tasks = reading.tasks
        if not tasks and reading.problems and last is not None and self._failed_whole(reading):
            tasks = last.tasks
        else:
            self._last[reading.source] = reading
        for task in tasks:
            work = self._to_work(task)
            if isinstance(work, Problem):
                problems.append(work)
            else:
                works.append(work)
        offer = Offer(reading.source, tuple(works), tuple(problems), began.wall)
        changed = tables.backlog.offer(offer)
        effects: list[Effect] = []
        if changed:
            effects.append(
                Note(
                    "source.changed",
                    data={"source": reading.source, "tasks": len(works), "changed": list(changed[:50])},
                )
            )
        effects += self._say_problems()
        tables.rereading.pop(reading.source, None)
        self._authority.do([*effects, *fill(tables, self._authority.now())])

    def _failed_whole(self, reading: Reading) -> bool:
        return (
            reading.unread
            or reading.source in self._every
            or all(problem.where == reading.source for problem in reading.problems)
        )

    def _say_problems(self) -> list[Effect]:
        """Note each problem once, when it appears."""
        known, found = set(self._said), self._authority.tables.backlog.problems()
        self._said = found
        return [
            Note("source.problem", data={"source": problem.source, "problem": problem.sentence()})
            for problem in found
            if problem not in known
        ]

    # --- instants of the sources' own -----------------------------------------------------------------

    def _seconds_left(self, now: Moment) -> float | None:
        times = []
        for name, source in self._sources.items():
            if name in self._reading:
                continue
            if name in self._every:
                times.append(self._read_at.get(name, now.mono) + self._every[name] - now.mono)
            if source.due is not None:
                times.append(source.due - now.wall)
        return max(0.0, min(times)) if times else None

    def _ring(self, now: Moment) -> list[Effect]:
        due = {
            name
            for name, source in self._sources.items()
            if (name in self._every and self._read_at.get(name, 0.0) + self._every[name] <= now.mono)
            or (source.due is not None and source.due <= now.wall)
        }
        self.reread(frozenset(due - self._reading.keys()))
        return []
