"""Tasks added by the command line or another program, kept by the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from supervisor.world.sources.entry import gather, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from supervisor.core.tasks.task import Reading
    from supervisor.world.sources.entry import Entry
    from supervisor.world.sources.mapping import Defaults


class QueueSource:
    """The rows that `rows` returns: the key under which each was queued, and the task as it was given.

    A task that brings a key of its own keeps it, so that the same work from another source is one task.
    """

    def __init__(
        self, name: str, rows: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]], defaults: Defaults
    ) -> None:
        self._name = name
        self._rows = rows
        self._defaults = defaults
        self._due: float | None = None

    @property
    def name(self) -> str:
        """The name of the source in the configuration."""
        return self._name

    @property
    def due(self) -> float | None:
        """Unix time in seconds at which a task held by `wait` becomes free, if there is one."""
        return self._due

    async def read(self) -> Reading:
        """Return the tasks queued now."""
        gathered = gather(self._name, self._entries(), (), time.time())
        self._due = gathered.due
        return gathered.reading

    def _entries(self) -> Iterator[Entry]:
        for key, data in self._rows():
            yield read_entry(
                data,
                source=self._name,
                where=f"queue {key}",
                defaults=self._defaults,
                created=0.0,
                fallback={"key": key},
            )
