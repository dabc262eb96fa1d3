"""Operators' orders about tasks and sessions: each changes a table or says in one sentence why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from supervisor.core.decisions import intensity
from supervisor.core.decisions.admission import Admission, Closing, Draining, Open, admission_name
from supervisor.core.decisions.advance import advance
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note, SaveTask
from supervisor.core.decisions.policy import Preempt
from supervisor.core.decisions.preemption import giving_way
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.sessions.integration import Integrated
from supervisor.core.sessions.lifecycle import Stop, Wanted, Wish
from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import Assigned, Cancelled, Done, Held, Ready, standing_name


@dataclass(frozen=True, slots=True)
class NotDone:
    """The order was refused; nothing changed."""

    why: str


Result = list[Effect] | NotDone


def hold(tables: Tables, key: str, by: str, why: str, now: Moment) -> Result:
    """Take a task out of the running. A live session of it goes on; `session stop` ends that."""
    track = tables.backlog.track(key)
    if isinstance(track.standing, Assigned):
        return NotDone(f"{key} is with session {track.standing.session}; stop that session, and it is held")
    if isinstance(track.standing, Done | Cancelled):
        return NotDone(
            f"{key} is {standing_name(track.standing)}; `leasehold task retry {key}` runs it again"
        )
    tables.backlog.put(key, track.moved(Held(by, why, now.wall)))
    return [Note("task.held", task=key, data={"by": by, "why": why}), SaveTask(key)]


def release(tables: Tables, key: str, by: str, now: Moment) -> Result:
    """Let a held task run again."""
    track = tables.backlog.track(key)
    if not isinstance(track.standing, Held):
        return NotDone(f"{key} is not held; it is {standing_name(track.standing)}")
    return _make_ready(tables, key, by, "task.released", now)


def retry(tables: Tables, key: str, by: str, now: Moment) -> Result:
    """Give a task fresh attempts, whatever became of the earlier ones."""
    track = tables.backlog.track(key)
    if isinstance(track.standing, Assigned):
        return NotDone(f"{key} is with session {track.standing.session} now")
    tables.backlog.put(key, replace(track, attempts=0, starts=()))
    return _make_ready(tables, key, by, "task.retried", now)


def cancel(tables: Tables, key: str, by: str, now: Moment) -> Result:
    """Call a task off for good; what requires it stays blocked and says so."""
    track = tables.backlog.track(key)
    if isinstance(track.standing, Assigned):
        return NotDone(f"{key} is with session {track.standing.session}; stop that session first")
    if isinstance(track.standing, Done | Cancelled):
        return NotDone(f"{key} is {standing_name(track.standing)}")
    tables.backlog.put(key, track.moved(Cancelled(by, now.wall)))
    return [Note("task.cancelled", task=key, data={"by": by}), SaveTask(key)]


def integrated(
    tables: Tables, key: str, session: str, landed: Integrated, commits: Sequence[str], by: str, now: Moment
) -> list[Effect]:
    """Take note that commits which a session had left on its branch came into their target.

    The task is done by that if nothing else had kept it from being done.
    """
    track = tables.backlog.track(key)
    if track.last is not None and track.last.session == session:
        done = track.last.outcome is Outcome.UNINTEGRATED and not isinstance(track.standing, Cancelled)
        last = replace(track.last, branch="", conflicts=())
        standing = Done(session, now.wall) if done else track.standing
        tables.backlog.put(key, replace(track, last=last, standing=standing))
    data = {**landed.as_json(), "commits": list(commits), "by": by}
    return [Note("session.integrated", session, key, data), SaveTask(key), *fill(tables, now)]


def set_priority(tables: Tables, key: str, priority: int | None, by: str, now: Moment) -> Result:
    """Override a task's priority, or with `None` go back to its source's."""
    track = tables.backlog.track(key)
    tables.backlog.put(key, replace(track, priority=priority))
    note = Note("task.priority", task=key, data={"by": by, "priority": priority})
    return [note, SaveTask(key), *fill(tables, now)]


def wish(tables: Tables, session_id: str, wanted: Wish, now: Moment) -> Result:
    """Change what is wanted of a session; the answer is due when it is gone."""
    session = tables.roster.find(session_id)
    if session is None:
        return NotDone(f'no session "{session_id}"; `leasehold session list --all` names them')
    if not session.live():
        ending = session.ending()
        return NotDone(f"session {session_id} has ended: {ending.sentence if ending else ''}")
    note = Note(
        "session.wish",
        session_id,
        session.key,
        {
            "wish": type(wanted).__name__.lower(),
            "by": getattr(wanted, "by", ""),
            "why": getattr(wanted, "why", ""),
        },
    )
    return [note, *advance(tables, session_id, Wanted(wanted), now)]


def admit(tables: Tables, admission: Admission, by: str, now: Moment) -> list[Effect]:
    """Open, pause or drain; opening fills free slots at once."""
    before, tables.admission = tables.admission, admission
    data = {"before": admission_name(before), "now": admission_name(admission), "by": by}
    effects: list[Effect] = [Note("supervisor.admission", data=data)]
    return effects + fill(tables, now)


def resume(tables: Tables, by: str, now: Moment) -> list[Effect]:
    """End a pause, a drain, and the pause that failures over all lanes brought."""
    return [*intensity.resume(tables, by, now), *admit(tables, Open(), by, now)]


def toggle_drain(tables: Tables, by: str, now: Moment) -> list[Effect]:
    """Begin to drain, or end it; a supervisor that is about to end does neither."""
    if isinstance(tables.admission, Closing):
        return []
    draining = isinstance(tables.admission, Draining)
    return resume(tables, by, now) if draining else admit(tables, Draining(by, now.wall), by, now)


def reprioritize(tables: Tables, by: str, now: Moment) -> list[Effect]:
    """Count a new ranking, and preempt by policy what it no longer justifies; then fill free slots."""
    tables.ranking += 1
    data = {
        "ranking": tables.ranking,
        "by": by,
        "first": [work.task.key for work, _ in zip(tables.backlog.ranked(), range(5), strict=False)],
    }
    effects: list[Effect] = [Note("supervisor.reprioritized", data=data)]
    effects += fill(tables, now)
    if tables.policy.selection.preempt is Preempt.NEVER:
        return effects
    for session, better in giving_way(tables, now):
        effects += _preempt(tables, session, better, now)
    return effects


def _preempt(tables: Tables, session: Session, better: str, now: Moment) -> list[Effect]:
    why = f"{better} (priority {-tables.backlog.rank(better)[1]}) goes first since ranking {tables.ranking}"
    if tables.policy.selection.preempt is Preempt.AFTER_TURN:
        session.after_turn = why
        return [Note("session.preempt_after_turn", session.id, session.key, {"why": why})]
    return advance(tables, session.id, Wanted(Stop("preempt", "supervisor", why)), now)


def _make_ready(tables: Tables, key: str, by: str, kind: str, now: Moment) -> list[Effect]:
    tables.backlog.put(key, tables.backlog.track(key).moved(Ready()))
    return [Note(kind, task=key, data={"by": by}), SaveTask(key), *fill(tables, now)]
