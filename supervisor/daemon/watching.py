"""Task folders that announce their own changes."""

from __future__ import annotations

import structlog

from supervisor.core.effects import Note
from supervisor.daemon.authority import Authority
from supervisor.daemon.feeds import Sources
from supervisor.world.sources.watch import WatchError, changed_sources

log = structlog.get_logger("leasehold")


async def watch_sources(authority: Authority, sources: Sources) -> None:
    """Read a source again whenever something in its folder changed, until cancelled."""
    try:
        async for names in changed_sources(sources.folders()):
            sources.reread(frozenset(names))
    except WatchError as error:
        authority.do([Note("source.problem", data={"source": "watch", "problem": str(error)})])
