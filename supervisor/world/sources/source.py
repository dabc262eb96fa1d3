"""What the supervisor asks of a source of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from supervisor.core.tasks.task import Reading


class Source(Protocol):
    """Somewhere that tasks come from."""

    @property
    def name(self) -> str:
        """The name of the source in the configuration."""

    @property
    def due(self) -> float | None:
        """Unix time in seconds at which a held task of the last reading becomes free, if there is one.

        Nothing outside announces that moment, so whoever reads the source reads it again then.
        """

    async def read(self) -> Reading:
        """Return all tasks of the source as they are now, and what was refused; never raise for bad input."""
