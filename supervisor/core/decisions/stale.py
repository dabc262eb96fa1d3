"""Stale reads: a session is about to write a file that another has changed since the session began.

What a session reads is seen by nobody, so its beginning stands for the time of its reading: told too often is
better than an edit that undoes another's.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.policy import StaleReads
from supervisor.core.decisions.tables import Tables
from supervisor.core.duration import format_duration
from supervisor.core.history.recent import Touch
from supervisor.core.moment import Moment
from supervisor.core.sessions.roster import Session


def stale_reads(
    tables: Tables, session: Session, paths: Iterable[str], now: Moment
) -> tuple[tuple[str, ...], list[Effect]]:
    """Return a sentence for each path that the session may have read before it changed; it counts as told then."""
    if tables.policy.leases.stale_reads is StaleReads.OFF:
        return (), []
    lines: list[str] = []
    effects: list[Effect] = []
    for path in paths:
        touch = untold(tables, session, path)
        if touch is None:
            continue
        session.told_of.add(path)
        tables.collisions.stale_reads += 1
        lines.append(_sentence(path, touch, now))
        data = {"path": path, "sha": touch.sha, "by": touch.session}
        effects.append(Note("read.stale", session.id, session.key, data))
    return tuple(lines), effects


def untold(tables: Tables, session: Session, path: str) -> Touch | None:
    """Return the commit by which another changed a path since the session began, if it has not been told of any."""
    touch = tables.recent.latest(session.intent.repo, path)
    if touch is None or path in session.told_of or not _since_it_began(touch, session):
        return None
    return touch


def refuses(tables: Tables) -> bool:
    """Tell whether such a write fails the first time."""
    return tables.policy.leases.stale_reads is StaleReads.REFUSE


def _since_it_began(touch: Touch, session: Session) -> bool:
    return touch.session != session.id and touch.at > session.intent.created.wall


def _sentence(path: str, touch: Touch, now: Moment) -> str:
    who = f"session {touch.session} (task {touch.task})" if touch.session else "somebody"
    subject = f' "{touch.subject}"' if touch.subject else ""
    ago = format_duration(max(0.0, now.wall - touch.at))
    return f"{path}: {who} changed it {ago} ago in {touch.sha[:10]}{subject}, after this session began; read it again"
