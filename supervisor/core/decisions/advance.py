"""What follows from news about a session: its next state, and what becomes of its task and leases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from supervisor.core.decisions import intensity, resting
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note, SaveSession, SaveTask, Settle, Tell, Wake
from supervisor.core.decisions.entrusting import entrust
from supervisor.core.decisions.grading import graded_by_evidence
from supervisor.core.decisions.heeding import as_said, counts_as_attempt
from supervisor.core.decisions.holders import ORPHANS
from supervisor.core.decisions.tables import SlotRequest, Tables
from supervisor.core.duration import format_duration
from supervisor.core.history.recent import Touch
from supervisor.core.leases.lease import Woken
from supervisor.core.leases.scope import file_scope
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow, retry
from supervisor.core.sessions import lifecycle
from supervisor.core.sessions.integration import Hitch
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import (
    GOES_ON,
    Cooling,
    Done,
    Held,
    LastRun,
    Parked,
    Ready,
    Standing,
    Track,
)

# What keeps commits from their target and only an operator can clear away.
_OPERATORS = frozenset({Hitch.HELD, Hitch.FAULT})
_SERVICE_MANAGER = "service manager"  # whom a worker names that was stopped as a unit, at a shutdown say


def advance(tables: Tables, session_id: str, event: lifecycle.Event, now: Moment) -> list[Effect]:
    """Take one event into a session's life. News of sessions that are over is dropped."""
    session = tables.roster.get(session_id)
    if session is None:
        return []
    before = session.life
    session.life, consequences = lifecycle.step(session.life, event, now)
    effects: list[Effect] = []
    if isinstance(before.state, lifecycle.Paused) and session.life.state is not before.state:
        _count_pause(tables, session, now.mono - before.state.since.mono, now)
    if session.life.state is not before.state:
        effects += _note_state(tables, session, before.state, now)
    elif session.life.wish is not before.wish:
        effects.append(SaveSession(session_id))  # asked for just before a crash, it is carried out after it
    for consequence in consequences:
        match consequence:
            case lifecycle.TellWorker(wish):
                effects.append(Tell(session_id, wish))
            case lifecycle.BeginSettling():
                effects.append(Settle(session_id))
            case lifecycle.Close(ending):
                effects += _close(tables, session, ending, now)
    return effects


def landed(tables: Tables, repo: str, touches: Iterable[Touch], now: Moment) -> None:
    """Remember commits that were found in a repository.

    A commit may be dated as its author likes. One from the future has landed by now all the same: else
    no reading of a source would ever come after it.
    """
    for touch in touches:
        tables.recent.add(repo, touch if touch.at <= now.wall else replace(touch, at=now.wall))


def woken(tables: Tables, results: Iterable[Woken]) -> list[Effect]:
    """Return the answers for the waiters whose turn has come."""
    effects: list[Effect] = []
    for result in results:
        session = tables.roster.get(result.holder)
        who, key = (session.id, session.key) if session else (None, None)
        data = {
            "scopes": [lease.scope.text for lease in result.leases],
            "holder": result.holder,
            "waited": True,
        }
        effects += [Note("lease.granted", who, key, data), Wake(result)]
        effects += entrust(tables, result.holder, result.fresh)
    return effects


def _count_pause(tables: Tables, session: Session, length: float, now: Moment) -> None:
    """Let a pause count for nothing: neither against the budget nor as standing still nor as an idle lease."""
    session.paused_for += length
    session.progress_at += length
    tables.broker.touch(session.id, now.mono)


def _note_state(tables: Tables, session: Session, before: lifecycle.State, now: Moment) -> list[Effect]:
    data: dict[str, Any]
    match session.life.state:
        case lifecycle.Running() if isinstance(before, lifecycle.Paused):
            data = {"paused_for": now.mono - before.since.mono, "elapsed": session.elapsed(now)}
            return [Note("session.resumed", session.id, session.key, data), SaveSession(session.id)]
        case lifecycle.Paused(_, _, _, by, why):
            data = {"by": by, "why": why, "elapsed": session.elapsed(now)}
            return [Note("session.paused", session.id, session.key, data), SaveSession(session.id)]
        case lifecycle.Running(_, worker, harness):
            data = {"worker_pid": worker.pid, "pid": harness.pid}
            if isinstance(before, lifecycle.Starting) and before.since == session.intent.created:
                data["start_delay"] = now.mono - before.since.mono  # else an earlier supervisor started it
            note = Note("session.running", session.id, session.key, data)
            lifted = resting.runs(tables, session, now)
            return [note, SaveSession(session.id), *lifted, *(fill(tables, now) if lifted else [])]
        case lifecycle.Stopping(_, _, cause, why):
            data = {"cause": cause, "why": why, "elapsed": session.elapsed(now)}
            return [Note("session.stopping", session.id, session.key, data), SaveSession(session.id)]
        case lifecycle.Unkillable(_, survivors):
            data = {"survivors": list(survivors)}
            return [Note("session.unkillable", session.id, session.key, data), SaveSession(session.id)]
        case lifecycle.Settling():
            return [Note("session.settling", session.id, session.key), SaveSession(session.id)]
        case lifecycle.Starting() | lifecycle.Ended():
            return []


def _close(tables: Tables, session: Session, ending: Ending, now: Moment) -> list[Effect]:
    """Release, record and hand on: the last thing that happens to a session."""
    tables.roster.close(session)
    freed = [lease.scope.text for lease in tables.broker.held(session.id)]
    kept_back = [
        file_scope(path.rstrip("/"), session.intent.repo)
        for path in ending.evidence.get("unsalvaged", {}).get("held", ())
    ]
    answers = woken(tables, tables.broker.bequeath(session.id, ORPHANS, kept_back, now.mono))
    track = tables.backlog.track(session.key)
    after = _track_after(tables, session, track, ending, now)
    tables.backlog.put(session.key, after)
    graded = graded_by_evidence(tables, session, ending, now)
    data = {
        "outcome": ending.outcome.value,
        "sentence": ending.sentence,
        "harness": session.intent.harness,
        "model": session.model or session.intent.model,
        "lane": session.intent.lane,
        "attempt": session.intent.attempt,
        "elapsed": session.elapsed(now),
        "released": freed,
        "commits_refused": session.refused,
        "evidence": dict(ending.evidence),
        "task_standing": _standing_sentence(after),
        "grade": graded.value if graded is not None else None,
    }
    effects: list[Effect] = [
        *_note_salvage(session, ending),
        *_note_integration(session, ending),
        Note("session.ended", session.id, session.key, data),
        SaveSession(session.id),
        SaveTask(session.key),
    ]
    if isinstance(after.standing, Parked):
        effects.append(Note("task.parked", session.id, session.key, {"why": after.standing.why}))
    effects += resting.ended(tables, session, ending, now)
    effects += _lane_after(tables, session, ending, now)
    effects += intensity.ended(tables, session.id, ending.outcome, now)
    _give_slot_back(tables, session, ending)
    return effects + answers + fill(tables, now)


def _note_salvage(session: Session, ending: Ending) -> list[Effect]:
    if salvage := ending.evidence.get("salvage"):
        return [Note("session.salvaged", session.id, session.key, salvage)]
    if unsalvaged := ending.evidence.get("unsalvaged"):
        return [Note("session.unsalvaged", session.id, session.key, unsalvaged)]
    return []


def _note_integration(session: Session, ending: Ending) -> list[Effect]:
    told = len(ending.evidence.get("interim", ()))  # of these there is an event already
    commits = list(ending.evidence.get("commits", ()))[told:]
    if (integrated := ending.evidence.get("integrated")) and (commits or not told):
        data = {**integrated, "commits": commits}
        return [Note("session.integrated", session.id, session.key, data)]
    if kept := ending.evidence.get("branch"):
        data = {**kept, "commits": commits}
        return [Note("session.unintegrated", session.id, session.key, data)]
    return []


def _track_after(tables: Tables, session: Session, track: Track, ending: Ending, now: Moment) -> Track:
    evidence = ending.evidence
    last = LastRun(
        session.id,
        ending.outcome,
        ending.sentence,
        now.wall,
        tuple(evidence.get("commits", ())),
        tuple(evidence.get("dirty", ())),
        tuple(evidence.get("salvages", ())),
        str(evidence.get("branch", {}).get("branch", "")),
        tuple(evidence.get("branch", {}).get("paths", ())),
        session.said,
        session.id if ending.outcome in GOES_ON else "",
        session.intent.repo,
    )
    # Nothing ran: what was left is left still.
    if ending.outcome is Outcome.UNSPAWNED and track.last is not None:
        last = replace(
            last,
            dirty=track.last.dirty,
            salvages=track.last.salvages,
            branch=last.branch or track.last.branch,
            conflicts=track.last.conflicts,
            said=track.last.said,
            goes_on=track.last.goes_on,
        )
    failures = track.attempts + counts_as_attempt(session, ending)
    standing = _standing_after(tables, session, ending, failures, now)
    # a start that a quota ended is bounded by the quota
    counted = track.starts[:-1] if ending.outcome is Outcome.OVER_QUOTA else track.starts
    starts = tables.policy.retry.lately(counted, now.wall)
    if isinstance(standing, Ready | Cooling) and len(starts) >= tables.policy.retry.spawns:
        restless = retry.Restless(len(starts), tables.policy.retry.spawn_window)
        standing = Parked(f"{restless.sentence()}; last: {ending.sentence}", now.wall)
    return replace(track, standing=standing, attempts=failures, last=last, starts=starts)


def _standing_after(tables: Tables, session: Session, ending: Ending, failures: int, now: Moment) -> Standing:
    if (standing := as_said(session, ending, now)) is not None and _told_to_end(session) is None:
        return standing
    match ending.outcome:
        case Outcome.FINISHED:
            return Done(session.id, now.wall)
        case Outcome.STOPPED if _went_down(ending):
            return Ready()
        case Outcome.LOST if _shut_down(session):
            return Ready()
        case Outcome.STOPPED | Outcome.KILLED:
            # the operator's word outlives the session: it does not start again behind their back
            by = str(ending.evidence.get("by") or "operator")
            return Held(by, f"its session {session.id} was {ending.outcome.value}", now.wall)
        case Outcome.UNINTEGRATED if Hitch(ending.evidence["branch"]["hitch"]) in _OPERATORS:
            # another session would do the work once more, and come to the same door
            why = f"{ending.evidence['branch']['why']}; then `leasehold integrate {session.id}`"
            return Held("the integrator", why, now.wall)
        case Outcome.UNINTEGRATED:
            return Ready()
        case _ if (teller := _told_to_end(session)) is not None:
            # also where it ended otherwise before its worker heard of it
            why = f"its session {session.id} was told to end, and {ending.outcome.value}"
            return Held(teller, why, now.wall)
        case Outcome.PREEMPTED | Outcome.OVER_QUOTA | Outcome.RATE_LIMITED:
            return Ready()
        case Outcome.UNAVAILABLE | Outcome.UNSPAWNED:
            return Ready()
        case _:
            match retry.after_failure(session.key, failures, tables.policy.retry):
                case retry.TryAgain(delay):
                    return Cooling(now.wall + delay, ending.sentence)
                case retry.Park(_) as park:
                    return Parked(f"{park.sentence()}; last: {ending.sentence}", now.wall)


def _give_slot_back(tables: Tables, session: Session, ending: Ending) -> None:
    """Let a schedule's slot wait again whose session never began through no fault of its own."""
    for planned in tables.policy.schedules:
        if resting.abandoned(ending) and planned.schedule.name == session.intent.schedule:
            slot = SlotRequest(
                planned.schedule.name,
                session.intent.created.wall,
                1,
                planned.harness,
                planned.lane,
                planned.tag,
            )
            tables.slot_requests.append(slot)


def _went_down(ending: Ending) -> bool:
    """Tell whether the session ended because the supervisor or the machine went down: nobody meant its task."""
    return ending.evidence.get("cause") == "shutdown" or ending.evidence.get("by") == _SERVICE_MANAGER


def _told_to_end(session: Session) -> str | None:
    """Return who told this very session to end, not all of them; `None` if nobody did."""
    match session.life.wish:
        case lifecycle.Stop(cause="stop", by=by) | lifecycle.Kill(cause="kill", by=by):
            return by
        case _:
            return None


def _shut_down(session: Session) -> bool:
    """Tell whether it was told to end as all sessions were."""
    match session.life.wish:
        case lifecycle.Stop(cause="shutdown") | lifecycle.Kill(cause="shutdown"):
            return True
        case _:
            return False


def _standing_sentence(track: Track) -> str:
    match track.standing:
        case Done():
            return "done"
        case Held(_, why, _):
            return f"held: {why}"
        case Parked(why, _):
            return why
        case Cooling(until, _):
            delay = until - (track.last.at if track.last else until)
            return f"tried again in {format_duration(max(0.0, delay))}"
        case _:
            return "ready"


def _lane_after(tables: Tables, session: Session, ending: Ending, now: Moment) -> list[Effect]:
    lane = session.intent.lane
    state, notice = flow.step(
        tables.lane_state.get(lane, flow.Flowing()),
        flow.Ended(session.id, ending.outcome),
        tables.policy.intensity,
        now.wall,
    )
    tables.lane_state[lane] = state
    if notice is None:
        return []
    waits = flow.admit(lane, state, now.wall)
    data = {"lane": lane, "why": waits.why if waits else ""}
    return [Note(f"lane.{notice.value}", data=data)]
