"""The facts that a session is told before it begins."""

from __future__ import annotations

from pathlib import Path

from supervisor.core.decisions.gate import declares_paths
from supervisor.core.decisions.policy import Undeclared
from supervisor.core.decisions.selection import plateau_warning
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import covers
from supervisor.core.sessions.brief import Brief, Neighbour
from supervisor.core.sessions.integration import branch_of
from supervisor.core.sessions.roster import Session
from supervisor.daemon.workshop import Workshop
from supervisor.world import clock
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.level import Level


async def dirty_in_scope(tables: Tables, session: Session, repo: Repository | None) -> tuple[str, ...]:
    """Return the uncommitted files that lie in what the session holds.

    Raises:
        GitError: the repository could not be asked for them.
    """
    scopes = [lease.scope for lease in tables.broker.held(session.id)]
    if repo is None or not scopes:
        return ()
    return tuple(
        file.path
        for file in await dirty(repo)
        if any(covers(scope, file.path, fold_case=repo.fold_case) for scope in scopes)
    )


def brief_of(
    tables: Tables,
    session: Session,
    inherited: tuple[str, ...],
    salvages: tuple[str, ...],
    shop: Workshop,
    confine: tuple[Path, ...] | None,
) -> Brief:
    """Return the facts that a session is told, as they are now."""
    now = clock.now()
    task = session.intent.task
    held = tables.broker.held(session.id)
    track = tables.backlog.track(session.key)
    harness = tables.policy.harnesses.get(session.intent.harness)
    return Brief(
        session=session.id,
        task=task,
        now=now.wall,
        budget=session.budget.wall,
        level=(Level.WORKTREE if session.intent.target else shop.footing.level).told,
        rung=shop.footing.ladder.rung.told,
        holds=tuple(lease.scope.text + (" (shared)" if lease.mode is Mode.SHARED else "") for lease in held),
        may_discover=not declares_paths(session) and tables.policy.leases.undeclared is Undeclared.GRANT,
        guarded=shop.footing.level >= Level.KERNEL,
        neighbours=tuple(
            Neighbour(
                other.id,
                other.key,
                other.intent.task.title,
                tuple(lease.scope.text for lease in tables.broker.held(other.id)),
                other.state_name,
            )
            for other in tables.roster
            if other.id != session.id
        ),
        recent=tuple(
            touch
            for touch in tables.recent.inside(
                task.repo, [Want(lease.scope, lease.mode) for lease in held], now.wall
            )
            if touch.session != session.id
        ),
        dirty=inherited,
        last=track.last,
        salvages=salvages,
        notes=track.notes,
        plateau=plateau_warning(tables),
        branch=branch_of(session.id) if session.intent.target else "",
        target=session.intent.target,
        way=tables.policy.way(session.intent.repo).value,
        allowance=harness.allowance.told() if harness is not None else "",
        writable=tuple(map(str, confine or ())),
    )
