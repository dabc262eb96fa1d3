"""The second rung of restart intensity: when sessions of many lanes fail at once, the fault lies elsewhere.

A lane that fails is paused by itself. When failures pile up over all lanes, everything pauses by the same
rules: it is said once, after a while one session tries, and its success resumes all.
"""

from __future__ import annotations

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.sessions.outcome import Outcome


def verdict(tables: Tables, now: Moment) -> flow.MustWait | None:
    """Return why no session of any lane may start now, `None` if one may."""
    return flow.admit_named("all lanes are", "`leasehold resume`", tables.all_lanes, now.wall)


def started(tables: Tables, session: str, now: Moment) -> None:
    """Take note of a start: after a pause it is the canary's."""
    tables.all_lanes, _ = flow.step(tables.all_lanes, flow.Started(session), tables.policy.overall, now.wall)


def ended(tables: Tables, session: str, outcome: Outcome, now: Moment) -> list[Effect]:
    """Count an ending; return what is to be said."""
    return _noted(tables, flow.Ended(session, outcome), now)


def resume(tables: Tables, by: str, now: Moment) -> list[Effect]:
    """Forget the failures at an operator's word."""
    return _noted(tables, flow.Resume(by), now)


def _noted(tables: Tables, event: flow.LaneEvent, now: Moment) -> list[Effect]:
    tables.all_lanes, notice = flow.step(tables.all_lanes, event, tables.policy.overall, now.wall)
    if notice is None:
        return []
    waits = verdict(tables, now)
    return [Note(f"intensity.{notice.value}", data={"why": waits.why if waits else ""})]
