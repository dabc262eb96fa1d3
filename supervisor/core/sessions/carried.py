"""What a session carries over a restart of the supervisor besides its intent: wishes, and the clock of its progress."""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.core.sessions.lifecycle import Kill, Run, Stop
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.said import Said


@dataclass(frozen=True, slots=True)
class Carried:
    """One session's; times are CLOCK_BOOTTIME seconds, since no session outlives its boot."""

    stop: Stop | None = None
    kill: Kill | None = None
    after_turn: str | None = None
    turn_over_at: float | None = None
    progress_at: float = 0.0
    fingerprint: str = ""
    said: Said | None = None
    model: str = ""


def carried(session: Session) -> Carried | None:
    """Return what is to be kept of a session; `None` when that is nothing."""
    wish = session.life.wish
    if (
        isinstance(wish, Run)
        and session.after_turn is None
        and not session.fingerprint
        and session.said is None
        and not session.model
    ):
        return None
    return Carried(
        stop=wish if isinstance(wish, Stop) else None,
        kill=wish if isinstance(wish, Kill) else None,
        after_turn=session.after_turn,
        turn_over_at=session.turn_over_at,
        progress_at=session.progress_at if session.fingerprint else 0.0,
        fingerprint=session.fingerprint,
        said=session.said,
        model=session.model,
    )


def take_up(session: Session, kept: Carried) -> None:
    """Go on where an earlier supervisor was: what was wanted is still wanted, and a stall goes on."""
    session.life = replace(session.life, wish=kept.kill or kept.stop or Run())
    session.after_turn, session.turn_over_at = kept.after_turn, kept.turn_over_at
    session.said, session.model = kept.said, kept.model
    if kept.fingerprint:
        session.fingerprint = kept.fingerprint
        session.progress_at = min(kept.progress_at, session.progress_at)
