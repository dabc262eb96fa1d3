"""What is learned of a session after its end: the word of an external grader, and reverts of its commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.grade import REVERTED_WITHIN, Grade
from supervisor.core.history.grades import Arm
from supervisor.core.moment import Moment
from supervisor.daemon.authority import Authority
from supervisor.daemon.external_grader import GraderError, ask_grader
from supervisor.daemon.places import Places
from supervisor.world.config.models import Settings
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.reverts import reverted_since
from supervisor.world.git.run import GitError
from supervisor.world.journal.entries import GradeRow, SessionRow
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

_MOST = 100_000  # sessions that are looked at
_LEARNT = 5_000  # of the latest sessions count for choosing a harness; what is older is of other days, and slow to read
_BETWEEN = 60.0  # seconds between two looks for reverts: each reads the log of every repository
_AT_ONCE = 2  # graders


class Grading:
    """Looks for reverts after sessions have ended, at the start, and a day after the last end; asks the grader once."""

    def __init__(
        self,
        authority: Authority,
        journal: Journal,
        group: TaskGroup,
        places: Places,
        repos: Callable[[], Mapping[str, Repository]],
        settings: Callable[[], Settings],
    ) -> None:
        self._authority = authority
        self._journal = journal
        self._group = group
        self._places = places
        self._repos = repos
        self._settings = settings
        self._turns = anyio.CapacityLimiter(_AT_ONCE)
        self._due: float | None = authority.now().mono
        self._looked = float("-inf")
        _remember(authority.tables, journal)
        authority.after.append(self._look)
        authority.on_time(self._seconds_left, self._ring)

    def _look(self) -> None:
        waiting = self._authority.tables.to_look_after
        if not waiting:
            return
        now = self._authority.now().mono
        while waiting:
            session = waiting.popleft()
            if self._settings().grading.command is not None:
                self._authority.tables.being_graded.add(session)
                self._group.start_soon(self._ask, session, name=f"grade {session}")
        self._due = max(now, self._looked + _BETWEEN)
        self._authority.alarm.look()

    def _seconds_left(self, now: Moment) -> float | None:
        return None if self._due is None else max(0.0, self._due - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        if self._due is not None and now.mono >= self._due:
            self._due, self._looked = None, now.mono
            self._group.start_soon(self._reverts, now, name="reverts")
        return []

    async def _ask(self, session_id: str) -> None:
        try:
            await self._ask_grader(session_id)
        finally:
            self._authority.tables.being_graded.discard(session_id)
        self._authority.do([])  # whoever waits for nothing to be left to do looks again

    async def _ask_grader(self, session_id: str) -> None:
        """Ask the external grader about a session; without an answer the grade by evidence stays."""
        settings = self._settings().grading
        session = self._authority.tables.roster.find(session_id)
        ending = session.ending() if session is not None else None
        if session is None or ending is None or session.grade is None or settings.command is None:
            return
        repo = self._repos().get(session.intent.repo)
        told = {
            "session": session.id,
            "task": session.key,
            "title": session.intent.task.title,
            "body": session.intent.task.body,
            "repo": str(repo.root) if repo is not None else None,
            "harness": session.intent.harness,
            "model": session.intent.model,
            "lane": session.intent.lane,
            "outcome": ending.outcome.value,
            "sentence": ending.sentence,
            "evidence": dict(ending.evidence),
            "grade": session.grade.as_json(),
            "folder": str(self._places.folder(session.id)),
        }
        try:
            async with self._turns:
                found = await ask_grader(
                    settings.command,
                    settings.timeout,
                    repo.root if repo is not None else Path("/"),
                    self._places.folder(session.id),
                    told,
                )
        except GraderError as error:
            log.warning("grader.failed", session=session.id, why=str(error))
            return
        arm = Arm(session.intent.lane, session.intent.harness, session.intent.model)
        self._set(
            session.id, session.key, arm, session.grade, session.grade.by_command(found.work, found.why)
        )

    async def _reverts(self, now: Moment) -> None:
        """Lower the grades of sessions whose commits were reverted within a day of their end."""
        try:
            rows = await in_thread(self._of_late, now.wall)
        except JournalError as error:
            log.warning("grading.failed", why=str(error))
            return
        for name, repo in self._repos().items():
            of_repo = [row for row in rows if _repo_of(row) == name]
            if not of_repo:
                continue
            try:
                since = min(row.ended_at or now.wall for row in of_repo)
                reverted = await reverted_since(repo, since - 1.0, ref=self._target(name))
            except GitError as error:
                log.warning("git.failed", repo=name, why=str(error))
                continue
            for row in of_repo:
                self._regrade(row, reverted)
        if rows and self._due is None:
            last = max(row.ended_at or 0.0 for row in rows)
            self._due = self._authority.now().mono + max(_BETWEEN, last + REVERTED_WITHIN - now.wall)
            self._authority.alarm.look()

    def _of_late(self, now: float) -> list[SessionRow]:
        """Return the graded sessions with commits that ended within the last day and a little."""
        longest = max((harness.budget for harness in self._settings().harness.values()), default=0.0)
        rows = self._journal.sessions(_MOST, since_wall=now - 2 * REVERTED_WITHIN - longest)
        return [
            row
            for row in rows
            if row.grade is not None
            and row.ended_at is not None
            and row.ended_at >= now - REVERTED_WITHIN - 2 * _BETWEEN
            and _commits_of(row)
        ]

    def _regrade(self, row: SessionRow, reverted: Mapping[str, float]) -> None:
        assert row.grade is not None  # noqa: S101  - these were picked out
        ended = row.ended_at or 0.0
        count = sum(reverted.get(sha, float("inf")) <= ended + REVERTED_WITHIN for sha in _commits_of(row))
        known = self._authority.tables.roster.find(row.id)
        before = known.grade if known is not None and known.grade is not None else Grade.from_json(row.grade)
        if count != before.reverted:
            self._set(row.id, row.task, arm_of(row), before, before.with_reverts(count))

    def _set(self, session_id: str, task: str, arm: Arm, before: Grade, after: Grade) -> None:
        authority = self._authority
        known = authority.tables.roster.find(session_id)
        if known is not None:
            known.grade = after
        authority.tables.grades.change(arm, before.value, after.value)
        authority.recorder.submit([GradeRow(session_id, after.as_json())])
        authority.do([Note("session.graded", session_id, task, {"before": before.value, **after.as_json()})])

    def _target(self, name: str) -> str | None:
        integration = self._authority.tables.policy.integration(name)
        return HEADS + integration.target if integration is not None else None


def _remember(tables: Tables, journal: Journal) -> None:
    """Count the grades that earlier supervisors gave."""
    for row in journal.sessions(_LEARNT):
        if row.grade is not None:
            tables.grades.add(arm_of(row), float(row.grade.get("value", 0.0)))


def arm_of(row: SessionRow) -> Arm:
    """Return the way in which a session of the journal ran its task."""
    intent = row.intent
    return Arm(
        str(intent.get("lane") or ""), str(intent.get("harness") or ""), str(intent.get("model") or "")
    )


def _repo_of(row: SessionRow) -> str:
    task: Mapping[str, Any] = row.intent.get("task") or {}
    return str(task.get("repo") or "")


def _commits_of(row: SessionRow) -> list[str]:
    evidence: Mapping[str, Any] = (row.ending or {}).get("evidence") or {}
    return [str(sha) for sha in evidence.get("commits", ())]
