"""Task folders that announce their own changes."""

from __future__ import annotations

import anyio

from supervisor.core.decisions.effects import Note
from supervisor.core.tasks.task import Problem
from supervisor.daemon.authority import Authority
from supervisor.daemon.sources.feeds import Sources
from supervisor.world.sources.watch import FolderWatch


async def watch_sources(authority: Authority, sources: Sources) -> None:
    """Read a source again whenever something in its folder changed, until cancelled."""
    while True:
        async with anyio.create_task_group() as group:
            group.start_soon(_watch, authority, sources)
            await sources.configured.wait()
            group.cancel_scope.cancel()


async def _watch(authority: Authority, sources: Sources) -> None:
    folders = sources.folders()
    async with FolderWatch(folders) as watch:
        sources.reread(frozenset(folders))  # what changed between the last reading and this watch
        said = _say(authority, watch.problems, ())
        async for names in watch:
            sources.reread(names)
            said = _say(authority, watch.problems, said)


def _say(authority: Authority, found: tuple[Problem, ...], said: tuple[Problem, ...]) -> tuple[Problem, ...]:
    authority.do(
        Note("source.problem", data={"source": problem.source, "problem": problem.sentence()})
        for problem in found
        if problem not in said
    )
    return found
