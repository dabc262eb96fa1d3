"""status, next, explain, events and report: everything that only reads."""

from __future__ import annotations

import os
import time
from typing import Any

from supervisor import __version__
from supervisor.core.decisions import intensity, resting
from supervisor.core.decisions.admission import admission_name
from supervisor.core.decisions.selection import (
    Decision,
    Fit,
    counts,
    decide,
    explain,
    plateau_warning,
    unranked,
)
from supervisor.core.decisions.standstill import standstill
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.tasks.standing import standing_name
from supervisor.daemon.accounts import quotas_json
from supervisor.daemon.authority import Authority
from supervisor.daemon.outcomes import report
from supervisor.daemon.ownership import misplaced
from supervisor.daemon.recorder import event_json
from supervisor.daemon.situation import Situation
from supervisor.daemon.verbs.answers import not_found
from supervisor.daemon.verbs.sessions import summary
from supervisor.daemon.verbs.turn import place, would_run
from supervisor.world.control.caller import Caller
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.control.subscription import Stream
from supervisor.world.journal.entries import Event
from supervisor.world.journal.journal import Journal

_SHOWN = 200  # skipped candidates listed by `next`; the rest is counted by reason


class Explain(Params, kw_only=True):
    """A task by key."""

    key: str


class Events(Params, kw_only=True):
    """`after` a sequence number, or the last `limit`; `follow` goes on with what happens."""

    after: int | None = None
    limit: int = 100
    kinds: tuple[str, ...] = ()
    session: str | None = None
    task: str | None = None
    follow: bool = False


class Report(Params, kw_only=True):
    """`since` in Unix seconds."""

    since: float = 0.0


class ReadingVerbs:
    """Answers that change nothing."""

    def __init__(self, authority: Authority, journal: Journal, situation: Situation) -> None:
        self._authority = authority
        self._journal = journal
        self._situation = situation

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("status", Params, self.status, Who.ANYONE),
            Method("next", Params, self.next_, Who.ANYONE),
            Method("explain", Explain, self.explain, Who.ANYONE),
            Method("events", Events, self.events, Who.ANYONE),
            Method("report", Report, self.report, Who.ANYONE),
        ]

    def status(self, _caller: Caller, _params: Params) -> object:
        """Return the state of the supervisor, its sessions and its backlog in one object."""
        tables, now = self._authority.tables, self._authority.now()
        standings: dict[str, int] = {}
        for work in tables.backlog.works():
            name = _standing(tables, work.task.key)
            standings[name] = standings.get(name, 0) + 1
        warning = plateau_warning(tables)
        situation = self._situation
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": situation.started_at,
            "config": str(situation.config),
            "generation": situation.generation,
            "config_refused": list(situation.refused),
            "last_signal": situation.last_signal,
            "admission": admission_name(tables.admission),
            "admission_why": getattr(tables.admission, "why", ""),
            "slots": {"taken": len(tables.roster), "of": tables.policy.max_sessions},
            "sessions": [summary(self._authority, session, now) for session in tables.roster],
            "waiting_for_reports": sorted(tables.wait_for_reports),
            "unknown": situation.unknown(),
            "strays": dict(situation.strays),
            "integrations": situation.integrations(),
            "tasks": standings,
            "leases": len(tables.broker),
            "lease_waiters": len(tables.broker.waiting()),
            "level": situation.footing.level.name.lower(),
            "level_told": situation.footing.level.told,
            "level_seen": situation.footing.seen,
            "rung": situation.footing.ladder.rung.value,
            "rung_told": situation.footing.ladder.rung.told,
            "rung_cannot": situation.footing.ladder.rung.cannot,
            "collisions": tables.collisions.as_json(),
            "ranking": tables.ranking,
            "ranked_first": [
                work.task.key for work, _ in zip(tables.backlog.ranked(), range(5), strict=False)
            ],
            "plateau_warning": warning.as_json() if warning else None,
            "lanes_paused": {
                lane: flow.lane_name(state)
                for lane, state in tables.lane_state.items()
                if not isinstance(state, flow.Flowing)
            },
            "lanes_told": _lanes_told(tables, now),
            "harnesses_told": resting.told(tables, now.wall),
            "quotas": quotas_json(tables, now.wall),
            "disk": self._short(),
            "standstill": standstill(tables, now),
            "schedules": situation.schedules(now),
            "orphans": {repo: list(paths) for repo, paths in situation.orphans.items()},
            "problems": [problem.sentence() for problem in tables.backlog.problems()],
            "journal_failure": str(self._journal.failure) if self._journal.failure else None,
            "at": now.wall,
        }

    def _short(self) -> str | None:
        """Return what the disks lack, or that the state directory is gone, which nothing announces."""
        found = self._authority.tables.shortage
        return found.why if found else misplaced(self._journal) or None

    def next_(self, _caller: Caller, _params: Params) -> object:
        """Return what would run next, and each candidate passed over with its reason."""
        tables, now = self._authority.tables, self._authority.now()
        decision = decide(tables, now)
        shown = decision_json(decision)
        shown["unranked_counts"] = unranked(tables, now)
        shown["slots"] = {"taken": len(tables.roster), "of": tables.policy.max_sessions}
        if (why := standstill(tables, now)) is not None:
            shown["not_now"] = why
        return shown

    def explain(self, _caller: Caller, params: Explain) -> object:
        """Say why a task would or would not run now, and what became of it so far."""
        tables, now = self._authority.tables, self._authority.now()
        work = tables.backlog.work(params.key)
        if work is None:
            raise not_found("task", params.key, "`leasehold task list --all` names them")
        found = explain(tables, work, now)
        track = tables.backlog.track(params.key)
        answer: dict[str, Any] = {"id": params.key, "title": work.task.title, "attempts": track.attempts}
        if isinstance(found, Fit):
            answer |= {
                "runs_now": True,
                "harness": found.harness,
                "choice": found.choice.as_json() if found.choice is not None else None,
                "sentence": f"{would_run(tables, now)}; it is number {place(tables, params.key)} in the ranking",
            }
        else:
            answer |= {**found.as_json(), "runs_now": False}
        answer["last"] = track.last.sentence if track.last else None
        answer["last_outcome"] = track.last.outcome.value if track.last else None
        answer["salvages"] = list(track.last.salvages) if track.last else []
        answer["history"] = [
            event_json(entry.event, entry.seq)
            for entry in self._journal.recent(200, task=params.key)
            if _concerns_the_task(entry.event.kind)
        ]
        return answer

    def events(self, _caller: Caller, params: Events) -> object:
        """Return events of the journal; with `follow`, push what happens from now on."""
        self._authority.tell()
        limit = max(1, min(params.limit, 100_000))
        if params.after is not None:
            recorded = self._journal.events(
                params.after, limit, kinds=tuple(params.kinds), session=params.session, task=params.task
            )
        else:
            recorded = self._journal.recent(
                limit, kinds=tuple(params.kinds), session=params.session, task=params.task
            )
        shown = [event_json(entry.event, entry.seq) for entry in recorded]
        durable = recorded[-1].seq if recorded else (params.after or 0)
        if len(recorded) < limit or params.after is None:
            shown += [
                event_json(event)
                for event in self._authority.recorder.latest
                if (event.seq or 0) > durable and _matches(event, params)
            ]
        shown = shown[-limit:] if params.after is None else shown[:limit]
        if params.follow:
            return Stream(self._authority.recorder.stream, {"following": True}, shown)
        return {"events": shown}

    def report(self, _caller: Caller, params: Report) -> object:
        """Return outcomes by harness, model and lane."""
        rows = self._journal.sessions(100_000, since_wall=params.since or None)
        return {
            **report(rows),
            "collisions": self._authority.tables.collisions.as_json(),
            "since": params.since,
            "at": time.time(),
        }


def _standing(tables: Tables, key: str) -> str:
    """Return where a task stands; what only its source has closed is `closed`."""
    name = standing_name(tables.backlog.track(key).standing)
    if tables.backlog.closed(key):
        return name if name in {"done", "cancelled"} else "closed"
    return "blocked" if name == "ready" and tables.backlog.blockers(key) else name


def _concerns_the_task(kind: str) -> bool:
    """Tell whether an event says what became of its task: leases that were had for the asking do not."""
    return kind.startswith(("session.", "task.", "commit.", "write.", "read.")) or kind in {
        "lease.refused",
        "lease.waiting",
        "lease.wait_timed_out",
    }


def _matches(event: Event, params: Events) -> bool:
    return (
        (not params.kinds or event.kind in params.kinds)
        and params.session in {None, event.session}
        and params.task in {None, event.task}
    )


def decision_json(decision: Decision) -> dict[str, Any]:
    """Return a decision in the form that `next --json` prints."""
    chosen = decision.chosen
    return {
        "chosen": None
        if chosen is None
        else {
            "id": chosen.work.task.key,
            "title": chosen.work.task.title,
            "harness": chosen.harness,
            "lane": chosen.work.task.lane,
            "scopes": [want.scope.text for want in chosen.work.wants],
            "choice": chosen.choice.as_json() if chosen.choice is not None else None,
        },
        "skipped": [skip.as_json() for skip in decision.skipped[:_SHOWN]],
        "skipped_counts": counts(decision.skipped),
        "plateau_warning": decision.plateau.as_json() if decision.plateau else None,
    }


def _lanes_told(tables: Tables, now: Moment) -> list[str]:
    """Return a sentence for each lane that does not flow, and one for all lanes if they are paused as one."""
    together = intensity.verdict(tables, now)
    found = [together.why] if together else []
    for lane, state in tables.lane_state.items():
        if (waits := flow.admit(lane, state, now.wall)) is not None:
            found.append(waits.why)
    return found
