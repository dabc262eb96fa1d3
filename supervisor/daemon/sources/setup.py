"""From the [sources] of the configuration to sources that can be read."""

from __future__ import annotations

from supervisor.core.tasks.task import Tier
from supervisor.daemon.sources.queue import Queue
from supervisor.world.config.models import Settings, SourceSettings
from supervisor.world.sources.command import CommandSource
from supervisor.world.sources.mapping import Defaults
from supervisor.world.sources.markdown import MarkdownSource
from supervisor.world.sources.queue import QueueSource
from supervisor.world.sources.source import Source


def make_sources(settings: Settings, queue: Queue) -> tuple[list[Source], dict[str, float]]:
    """Return the configured sources, and the intervals (seconds) of those that have one."""
    sources: list[Source] = []
    every: dict[str, float] = {}
    queue.name = None
    for name, source in settings.sources.items():
        defaults = _defaults(source)
        match source.kind:
            case "markdown":
                assert source.path is not None  # noqa: S101  - checked with the configuration
                sources.append(MarkdownSource(name, source.path, defaults))
            case "queue":
                queue.name, queue.defaults = name, defaults
                sources.append(QueueSource(name, queue.rows, defaults))
            case "command":
                repo = settings.repos.get(source.repo or "")
                cwd = repo.path if repo else settings.directory
                sources.append(
                    CommandSource(name, list(source.command or ()), defaults, cwd=cwd, timeout=source.timeout)
                )
        if source.every is not None:
            every[name] = source.every
    return sources, every


def _defaults(source: SourceSettings) -> Defaults:
    return Defaults(
        repo=source.repo or "",
        lane=source.lane or "",
        tier=Tier(source.tier or Tier.BACKLOG),
        priority=source.priority or 0,
        harness=source.harness,
    )
