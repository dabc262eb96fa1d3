"""Choose, claim, lease and intend: one synchronous step, undone whole if it cannot be finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from supervisor.core.decisions import intensity, resting, room
from supervisor.core.decisions.admission import Open
from supervisor.core.decisions.effects import Effect, Launch, Note, Reread, SaveSession, SaveTask
from supervisor.core.decisions.selection import Decision, Fit, Reason, counts, decide, explain
from supervisor.core.decisions.standstill import unreported
from supervisor.core.decisions.tables import SlotRequest, Tables
from supervisor.core.leases.lease import Granted
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.lifecycle import Life, Starting
from supervisor.core.sessions.roster import Intent, Session
from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.standing import Assigned


@dataclass(frozen=True, slots=True)
class NotAssigned:
    """Why a session did not start: one sentence that names what is in the way."""

    why: str


def fill(tables: Tables, now: Moment) -> list[Effect]:
    """Start sessions until no slot is free or nothing may run; return what is to be carried out."""
    effects: list[Effect] = []
    room.nothing_to_start(tables)  # unless something is found below
    if not isinstance(tables.admission, Open) or tables.wait_for_reports:
        return effects
    tables.slot_requests = [
        request for request in tables.slot_requests if not _serve(tables, request, now, effects)
    ]
    while tables.policy.pool and _is_a_slot_free(tables, now):
        decision = decide(tables, now)
        _reread(tables, decision, now, effects)
        if decision.chosen is None or not room.has_room(tables, now, effects):
            break
        effects += assign(tables, decision.chosen, now, decision=decision)
    return effects


def assign(
    tables: Tables,
    fit: Fit,
    now: Moment,
    *,
    decision: Decision | None = None,
    schedule: str | None = None,
) -> list[Effect]:
    """Claim the task, lease its scopes and record the intent to start a session for it.

    Raises:
        RuntimeError: the caller did not just check that the task may run; nothing was changed.
    """
    task = fit.work.task
    session_id, capability = tables.mint()
    track = tables.backlog.track(task.key)
    granted = tables.broker.acquire(session_id, fit.work.wants, now.mono)
    if not isinstance(granted, Granted):
        raise RuntimeError(f"task {task.key} was chosen although its leases are not free: {granted}")  # noqa: TRY004  - a wrong call, not a wrong type
    integration = tables.policy.integration(task.repo)
    intent = Intent(
        session=session_id,
        task=task,
        harness=fit.harness,
        lane=task.lane,
        capability=capability,
        created=now,
        budget=_budget(tables, fit),
        leases=granted.leases,
        model=task.model or tables.policy.harnesses[fit.harness].model,
        schedule=schedule,
        attempt=track.attempts + 1,
        rung=tables.rung,
        target=integration.target if integration is not None else "",
        tier=tables.policy.harnesses[fit.harness].tier,
    )
    session = Session(intent, Life(Starting(now)), intent.budget, progress_at=now.mono)
    tables.roster.add(session)
    resting.started(tables, session, now)
    starts = tables.policy.retry.lately((*track.starts, now.wall), now.wall)
    tables.backlog.put(task.key, replace(track, standing=Assigned(session_id), starts=starts))
    intensity.started(tables, session_id, now)
    tables.remember_lane(task.lane)
    tables.starts.add(fit.harness, now.wall)
    if task.lane in tables.lane_state:
        state, _ = flow.step(
            tables.lane_state[task.lane], flow.Started(session_id), tables.policy.intensity, now.wall
        )
        tables.lane_state[task.lane] = state
    data = {
        "title": task.title,
        "harness": fit.harness,
        "lane": task.lane,
        "tier": int(tables.backlog.tier(task.key)),
        "attempt": intent.attempt,
        "fence": intent.fence,
        "leases": [
            {"scope": lease.scope.text, "mode": lease.mode.value, "token": lease.token}
            for lease in granted.leases
        ],
        "ranking": tables.ranking,
    }
    if schedule is not None:
        data["schedule"] = schedule
    if fit.choice is not None:
        data["choice"] = fit.choice.as_json()
    if decision is not None:
        data["passed_over"] = counts(decision.skipped)
        deferred = sum(skip.reason is Reason.LEASED for skip in decision.skipped)
        tables.collisions.assignments_deferred += deferred
        tables.collisions.duplicates_prevented += sum(
            skip.reason is Reason.CLAIMED for skip in decision.skipped
        )
        if decision.plateau is not None:
            data["plateau_warning"] = decision.plateau.as_json()
    return [
        Note("session.intended", session_id, task.key, data),
        SaveSession(session_id),
        SaveTask(task.key),
        Launch(session_id),
    ]


def launch(tables: Tables, key: str | None, harness: str, now: Moment) -> list[Effect] | NotAssigned:
    """Start one session now, at an operator's word: of the task `key`, or of the best that may run.

    A pause or drain does not stop it; a missing slot, a full disk, a lease in the way or a closed task does.
    """
    if (late := unreported(tables)) is not None:
        return NotAssigned(late)
    if len(tables.roster) >= tables.policy.max_sessions:
        return NotAssigned(
            f"all {tables.policy.max_sessions} slots are taken; stop a session or raise supervisor.max_sessions"
        )
    if why := tables.room(tables.shortage is not None):
        return NotAssigned(why)
    if harness and harness not in tables.policy.harnesses:
        known = ", ".join(tables.policy.harnesses) or "none"
        return NotAssigned(f'no harness "{harness}"; configured are: {known}')
    if key is None:
        decision = decide(tables, now, harness=harness)
        if decision.chosen is None:
            return NotAssigned("no task may run now; `leasehold next` says why for each")
        return assign(tables, decision.chosen, now, decision=decision)
    work = tables.backlog.work(key)
    if work is None:
        return NotAssigned(f'no source offers a task "{key}"')
    found = explain(tables, work, now, harness=harness)
    if not isinstance(found, Fit):
        return NotAssigned(f"{key} may not run now: {found.sentence}")
    return assign(tables, found, now)


def _serve(tables: Tables, request: SlotRequest, now: Moment, effects: list[Effect]) -> bool:
    """Start what a schedule asked for; tell whether the request is done with."""
    while request.slots and _is_a_slot_free(tables, now):
        decision = decide(tables, now, harness=request.harness, accepts=_accepts(request))
        _reread(tables, decision, now, effects)
        if decision.chosen is None:
            effects.append(
                Note(
                    "schedule.empty",
                    data={
                        "schedule": request.schedule,
                        "due": request.due,
                        "reason": "no task of its kind may run",
                        "passed_over": counts(decision.skipped),
                    },
                )
            )
            return True
        if not room.has_room(tables, now, effects):
            return False
        effects += assign(tables, decision.chosen, now, decision=decision, schedule=request.schedule)
        request = replace(request, slots=request.slots - 1)
    return request.slots == 0


def _is_a_slot_free(tables: Tables, now: Moment) -> bool:
    return len(tables.roster) < tables.policy.max_sessions and intensity.verdict(tables, now) is None


def _accepts(request: SlotRequest) -> Callable[[Work], bool]:
    def accepts(work: Work) -> bool:
        lane_fits = not request.lane or work.task.lane == request.lane
        return lane_fits and (not request.tag or request.tag in work.task.tags)

    return accepts


def _reread(tables: Tables, decision: Decision, now: Moment, effects: list[Effect]) -> None:
    """Ask once for each source that is to be read again; a later commit asks anew."""
    fresh = frozenset(source for source in decision.reread if source not in tables.rereading)
    if fresh:
        tables.rereading.update(dict.fromkeys(fresh, now.wall))
        effects.append(Reread(fresh))


def _budget(tables: Tables, fit: Fit) -> Budget:
    budget = tables.policy.harnesses[fit.harness].budget
    wall = fit.work.task.budget
    return budget if wall is None else replace(budget, wall=wall, warn=min(budget.warn, wall / 2))
