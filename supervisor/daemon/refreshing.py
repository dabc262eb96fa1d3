"""The shared checkout's index before a session starts: up to date, because sessions may not write it by the way.

They run with GIT_OPTIONAL_LOCKS=0, since a `git status` that has the index locked fails the commit of another
session. So none of their reading commands would ever note that a touched file has its old content, and each
would read it again: after a fresh clone, all files.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from supervisor.core.decisions.advance import woken
from supervisor.core.decisions.git_turn import turn
from supervisor.core.leases.fencing import TokensExhausted
from supervisor.core.leases.lease import Granted
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.preparing import session_spec
from supervisor.daemon.workshop import Workshop
from supervisor.world.git.refresh import refresh_index
from supervisor.world.launch.spec import SessionSpec


async def prepare(authority: Authority, shop: Workshop, session: Session) -> SessionSpec:
    """Return what the session's worker is to run, once the checkout is ready for it.

    Raises:
        GitError, LaunchError: as `session_spec`.
    """
    await _refresh(authority, shop, session)
    return await session_spec(shop, authority.tables, session)


async def _refresh(authority: Authority, shop: Workshop, session: Session) -> None:
    """Refresh the index of the checkout that the session shares, unless a git command of another is at it."""
    intent = session.intent
    repo = shop.repos.get(intent.repo)
    if repo is None or intent.target or authority.tables.wait_for_reports:
        return
    broker, want = authority.tables.broker, turn(intent.repo)
    if broker.who(want.scope):
        return
    try:
        granted = broker.acquire(session.id, (want,), authority.now().mono)
    except TokensExhausted:
        return
    if not isinstance(granted, Granted):
        return
    try:
        with _locked(shop.turn_lock(intent.repo)) as ours:
            if ours:
                await refresh_index(repo)
    finally:
        authority.do(woken(authority.tables, broker.release(session.id, [want.scope], authority.now().mono)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock by which the sessions' own `git` takes turns where no guard does; say whether it was free."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
