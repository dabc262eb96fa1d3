"""Clearing away a session's own work tree: what only it has is kept, or else it stays and the ending says why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.remains import Remains
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.salvage import Salvage
from supervisor.daemon.salvaging import Salvager
from supervisor.world.git.facts import Dirt, DirtyFile, dirty
from supervisor.world.git.hidden import hidden
from supervisor.world.git.only_here import only_here, unlooked
from supervisor.world.git.pipes import pipes
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitTimeoutError
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.stashes import Aside, keep_stashes
from supervisor.world.git.tie import Absent, Severed, Whole
from supervisor.world.git.underway import operations
from supervisor.world.git.worktrees import remove
from supervisor.world.threads import in_thread

_PATIENCE = 5.0  # seconds; after that it is looked whether git waits for a named pipe

log = structlog.get_logger("leasehold")


@dataclass(frozen=True, slots=True)
class Clearing:
    """Clears work trees away, once the salvager has kept what is uncommitted in them."""

    salvager: Salvager

    async def empty(
        self,
        session: Session,
        repo: Repository,
        tree: Repository,
        tied: Absent | Whole | Severed,
        remains: Remains,
        outcome: Outcome,
    ) -> Remains:
        """Add what became of the uncommitted work, and remove the work tree unless it has something still.

        Raises:
            GitError: the work tree cannot be read; it stays.
            OSError: there is no room for a temporary file; it stays.
        """
        there = isinstance(tied, Whole)
        began = session.intent.created.wall
        unseen: list[str] = []
        seen = await _dirty(tree, unseen) if there else ()
        files = await _with_hidden(tree, seen) if there else seen
        rescued = await self.salvager.rescue(session, tree if there else repo, files, outcome)
        label = Label(session=session.id, task=session.key, outcome=outcome.value)
        aside = await keep_stashes(repo, tree if there else None, Aside(session.id, began), label)
        result = rescued.result
        remains = replace(
            remains,
            salvage=result,
            salvages=tuple(dict.fromkeys((*rescued.open_, *aside))),
            aside=aside,
            under_way=operations(tree, began) if there else (),
        )
        if isinstance(tied, Severed):
            return replace(remains, tree=str(tree.root), tree_why=tied.why)
        only = (*unlooked(unseen), *await only_here(tree, seen, began)) if there else ()
        unkept = result is not None and (not isinstance(result, Salvage) or bool(result.unkept))
        if unkept or only:
            return replace(remains, tree=str(tree.root) if there else "", tree_why="; ".join(only))
        try:
            await remove(repo, tree.root)
        except OSError as error:
            log.warning("worktree.not_removed", session=session.id, path=str(tree.root), why=str(error))
            return replace(remains, tree=str(tree.root))
        return remains


async def _dirty(tree: Repository, unseen: list[str]) -> tuple[DirtyFile, ...]:
    """Return the dirty files of a work tree in which nobody works any more; what git passes over is added to `unseen`."""
    try:
        return await dirty(tree, warnings=unseen, timeout=_PATIENCE)
    except GitTimeoutError:
        for path in await in_thread(pipes, tree.root):
            await in_thread((tree.root / path).unlink)
    return await dirty(tree, warnings=unseen)


async def _with_hidden(tree: Repository, files: tuple[DirtyFile, ...]) -> tuple[DirtyFile, ...]:
    known = {file.path for file in files}
    return (*files, *(DirtyFile(path, Dirt.MODIFIED) for path in await hidden(tree) if path not in known))
