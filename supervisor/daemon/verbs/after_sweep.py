"""A git command swept over the checkout and wrote more files than its guard can name: git says which it left changed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from supervisor.core.decisions import claims, wake
from supervisor.core.decisions.entrusting import entrust
from supervisor.core.leases.lease import Lease
from supervisor.core.leases.scope import ScopeError, file_scope, tree_scope
from supervisor.core.moment import Moment
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

_TICK = 0.02  # seconds by which the kernel's times of files may lag behind its clock


def over_all(authority: Authority, session: Session, tokens: Sequence[int]) -> Lease | None:
    """Return which of these leases of a session is on the whole checkout."""
    for lease in map(authority.tables.broker.lease, tokens):
        if (
            lease is not None
            and lease.holder == session.id
            and lease.scope == tree_scope("", session.intent.repo)
        ):
            return lease
    return None


async def give_back_a_sweep(
    authority: Authority, session: Session, repo: Repository, tokens: Sequence[int]
) -> None:
    """End the leases of the command but keep leased what was changed while it held all.

    Until git has said what that is, nothing is granted below them. Where git cannot, the session keeps the whole checkout.
    """
    tables = authority.tables
    sweep = over_all(authority, session, tokens)
    tables.closing.update(tokens)
    try:
        changed = [] if sweep is None else await _changed(repo, _wall(sweep.granted_at, authority.now()))
    except GitError as error:
        log.warning("git.failed", session=session.id, why=str(error))
        left = over_all(authority, session, tokens)
        turn = [token for token in tokens if left is None or token != left.token]
        _, effects = claims.give_back(tables, session, turn, (), authority.now())
        authority.do([*effects, *wake.keep(tables, (left,) if left else (), authority.now())])
        return
    finally:
        tables.closing.difference_update(tokens)
    if not session.live():
        return
    if over_all(authority, session, tokens) is None:
        changed = []  # the checkout was released meanwhile; the command's turn is still to end
    scopes = set()
    for path in changed:
        with contextlib.suppress(ScopeError):  # nobody can lease it
            scopes.add(file_scope(path, session.intent.repo, fold_case=repo.fold_case))
    kept, effects = claims.give_back(
        tables, session, tokens, sorted(scopes, key=lambda scope: scope.key), authority.now()
    )
    authority.do([*effects, *entrust(tables, session.id, kept)])


def _wall(at: float, now: Moment) -> float:
    return now.wall - (now.mono - at)


async def _changed(repo: Repository, since: float) -> list[str]:
    """Return which dirty files were written or removed since then (Unix seconds)."""
    files = await dirty(repo)

    def touched() -> list[str]:
        return [file.path for file in files if _touched(repo.root / file.path) >= since - _TICK]

    return await in_thread(touched)


def _touched(path: Path) -> float:
    """Return when a file was last written, or, when it is gone, its folder."""
    for at in (path, *path.parents):
        try:
            return at.lstat().st_ctime
        except OSError:
            continue
    return 0.0
