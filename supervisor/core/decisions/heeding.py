"""What becomes of a task by what its session said of it, where that is to be heeded."""

from __future__ import annotations

from supervisor.core.moment import Moment
from supervisor.core.pacing import retry
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.said import Kind, Said, heeded
from supervisor.core.tasks.standing import Cooling, Done, Held, Ready, Standing
from supervisor.core.tasks.task import Expects


def as_said(session: Session, ending: Ending, now: Moment) -> Standing | None:
    """Return where the task stands by what its session said of it; `None` where its ending decides."""
    said = _heeded(session, ending)
    if said is None:
        return None
    match said.kind:
        case Kind.DONE:
            return Done(session.id, now.wall)
        case Kind.BLOCKED if said.again_in is not None:
            return Cooling(now.wall + said.again_in, said.sentence())
        case Kind.BLOCKED:
            return Held(f"session {session.id}", said.sentence(), now.wall)
        case Kind.HANDED_OVER:
            unheeded = ending.outcome is Outcome.UNINTEGRATED or (
                _barren(ending) and not _left_something(ending)
            )
            return None if unheeded else Ready()


def counts_as_attempt(session: Session, ending: Ending) -> bool:
    """Tell whether the task got nowhere. To say that it is blocked is an answer; to hand over nothing is none."""
    said = _heeded(session, ending)
    if said is not None and (said.kind is not Kind.HANDED_OVER or _left_something(ending)):
        return False
    return _barren(ending)


def _heeded(session: Session, ending: Ending) -> Said | None:
    return heeded(session.said, ending, expects_commit=session.expects() is Expects.COMMIT)


def _barren(ending: Ending) -> bool:
    return retry.weigh(ending.outcome) in {retry.Weight.FAILURE, retry.Weight.BARREN}


def _left_something(ending: Ending) -> bool:
    return any(ending.evidence.get(name) for name in ("commits", "dirty", "salvages", "branch"))
