"""Grades of sessions as they end, and as more is learned of them."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.history.grade import Grade, grade
from supervisor.core.history.grades import Arm
from supervisor.core.moment import Moment
from supervisor.core.sessions.outcome import Ending
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.task import Expects


def graded_by_evidence(tables: Tables, session: Session, ending: Ending, now: Moment) -> Grade | None:
    """Grade the session by the evidence there is now, and count that for whoever chooses a harness."""
    integration = tables.policy.integration(session.intent.repo)
    checks = integration is not None and bool(integration.check)
    session.grade = grade(
        ending,
        elapsed=session.elapsed(now),
        budget=session.budget.wall,
        expects_commit=session.expects() is Expects.COMMIT,
        checked=checks and "integrated" in ending.evidence,
    )
    if session.grade is not None:
        intent = session.intent
        tables.grades.add(Arm(intent.lane, intent.harness, intent.model), session.grade.value)
        tables.to_look_after.append(session.id)
    return session.grade
