"""session.list, show, extend, pause and resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from supervisor.core.decisions.effects import Note
from supervisor.core.leases.lease import Lease
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Paused, Starting, Unkillable
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Workers
from supervisor.daemon.places import Places
from supervisor.daemon.verbs.answers import who
from supervisor.daemon.verbs.named import OneSession, find, living, recorded
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.journal import Journal

_BEFORE_START = "the session is still starting; try again in a moment"


class ListSessions(Params, kw_only=True):
    """`all` includes those that ended, newest first, `limit` at most."""

    all: bool = False
    limit: int = 50


class PauseSession(OneSession, kw_only=True):
    """`why` is shown to whoever meets the session meanwhile."""

    why: str = ""


class Extend(OneSession, kw_only=True):
    """`seconds` more wall clock."""

    seconds: float


class SessionVerbs:
    """Answers about sessions."""

    def __init__(
        self,
        authority: Authority,
        workers: Workers,
        journal: Journal,
        places: Places,
    ) -> None:
        self._authority = authority
        self._workers = workers
        self._journal = journal
        self._places = places

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("session.list", ListSessions, self.list_, Who.ANYONE),
            Method("session.show", OneSession, self.show, Who.ANYONE),
            Method("session.extend", Extend, self.extend),
            Method("session.pause", PauseSession, self.pause),
            Method("session.resume", OneSession, self.resume),
        ]

    def list_(self, _caller: Caller, params: ListSessions) -> object:
        """Return the living sessions, and with `all` those that ended."""
        now = self._authority.now()
        live = [summary(self._authority, session, now) for session in self._authority.tables.roster]
        if not params.all:
            return {"sessions": live}
        known = {entry["id"] for entry in live}
        rows = self._journal.sessions(max(1, min(params.limit, 10_000)))
        return {"sessions": live + [row_summary(row) for row in rows if row.id not in known]}

    def show(self, _caller: Caller, params: OneSession) -> object:
        """Return all that is known of one session."""
        session = find(self._authority.tables, params.session)
        if session is not None:
            now = self._authority.now()
            shown = summary(self._authority, session, now)
            shown["leases"] = [lease.scope.text for lease in self._authority.tables.broker.held(session.id)]
            shown["wish"] = type(session.life.wish).__name__.lower()
            if session.live() and (heard := self._workers.listener.shown(session)) is not None:
                shown["heard"] = heard
            elif session.heard is not None:
                shown["heard"] = shown.get("evidence", {}).get("heard")
            return {**shown, **self._files(session.id)}
        row = recorded(self._journal, params.session)
        return {**whole_row(row), **self._files(row.id)}

    def extend(self, caller: Caller, params: Extend) -> object:
        """Give a session more time; answered when its worker has made the new deadline durable."""
        if not 0 < params.seconds <= 366 * 86400:
            raise RpcError(Code.PARAMS, "seconds must be more than 0 and at most a year")
        session = living(self._authority.tables, self._journal, params.session)
        later = Later()

        def answered(message: Mapping[str, Any]) -> None:
            if not message.get("ok"):
                later.refuse(_refused(session, message))
                return
            session.budget = session.budget.extended(params.seconds)
            data = {"by": who(caller), "seconds": params.seconds, "wall": session.budget.wall}
            self._authority.do([Note("session.extended", session.id, session.key, data)])
            left = session.budget.left(session.elapsed(self._authority.now()))
            later.answer({"session": session.id, "budget": session.budget.wall, "left": left})

        if not self._workers.order(session.id, "extend", answered, seconds=params.seconds):
            raise _unreached(session)
        return later

    def pause(self, caller: Caller, params: PauseSession) -> object:
        """Halt a session; answered when none of its processes runs and its clocks stand still."""
        why = params.why or "asked at the command line"
        return self._halt_or_go_on(params.session, "pause", by=who(caller), why=why)

    def resume(self, _caller: Caller, params: OneSession) -> object:
        """Let a paused session go on; answered when it does. One that is not paused is left as it is."""
        return self._halt_or_go_on(params.session, "resume")

    # --- shared steps -------------------------------------------------------------------------------

    def _halt_or_go_on(self, name: str, op: str, **fields: str) -> Later:
        session = living(self._authority.tables, self._journal, name)
        later = Later()

        def answered(message: Mapping[str, Any]) -> None:
            if message.get("ok"):  # its event came first, so the state here is that of the worker
                later.answer(summary(self._authority, session, self._authority.now()))
                return
            later.refuse(_refused(session, message))

        if not self._workers.order(session.id, op, answered, **fields):
            raise _unreached(session)
        return later

    def _files(self, session: str) -> dict[str, str]:
        return files(self._places.folder(session))


def files(folder: Path) -> dict[str, str]:
    """Return the files of a session that people look at, in its folder."""
    return {
        "folder": str(folder),
        "out_log": str(folder / "out.log"),
        "err_log": str(folder / "err.log"),
        "brief": str(folder / "prompt.md"),
    }


def summary(authority: Authority, session: Session, now: Moment) -> dict[str, Any]:
    """Return a living or lately ended session in one flat object; durations in seconds."""
    elapsed = session.elapsed(now)
    worker = session.worker()
    state = session.life.state
    harness = session.harness()
    ending = session.ending()
    found: dict[str, Any] = {
        "id": session.id,
        "task": session.key,
        "title": session.intent.task.title,
        "state": "recovering" if session.id in authority.tables.wait_for_reports else session.state_name,
        "harness": session.intent.harness,
        "lane": session.intent.lane,
        "repo": session.intent.repo,
        "pid": harness.pid if harness else None,
        "worker_pid": worker.pid if worker else None,
        "started_at": session.intent.created.wall,
        "elapsed": round(elapsed, 3),
        "budget": session.budget.wall,
        "left": round(session.budget.left(elapsed), 3),
        "leases_held": len(authority.tables.broker.held(session.id)),
        "fence": session.intent.fence,
        "attempt": session.intent.attempt,
        "commits_refused": session.refused,
        "rung": session.intent.rung,
        "level": session.level,
        "confined": session.confined,
    }
    found["model"] = session.model or session.intent.model or None
    if (told := session.heard) is not None:
        found["usage"] = {
            "tokens_in": told.tokens_in,
            "tokens_out": told.tokens_out,
            "cost_usd": None if told.cost_usd is None else round(told.cost_usd, 6),
        }
    if isinstance(state, Paused):
        found["paused"] = {"by": state.by, "why": state.why, "since": state.since.wall}
    if isinstance(state, Unkillable):
        found["survivors"] = list(state.survivors)
    if session.said is not None:
        found["said"] = session.said.as_json()
    if session.intent.schedule:
        found["schedule"] = session.intent.schedule
    if ending is not None:
        found["outcome"] = ending.outcome.value
        found["sentence"] = ending.sentence
        found["grade"] = session.grade.as_json() if session.grade is not None else None
        found["evidence"] = msgspec.to_builtins(dict(ending.evidence))
        found["elapsed"] = _lasted(found["evidence"], found["elapsed"])
    return found


def _lasted(evidence: Mapping[str, Any], otherwise: float | None) -> float | None:
    """Return how long its worker says that it ran, without pauses: it may have ended long before that was noted."""
    ran, paused = evidence.get("elapsed"), evidence.get("paused") or 0.0
    return round(ran - paused, 3) if isinstance(ran, int | float) else otherwise


def row_summary(row: SessionRow) -> dict[str, Any]:
    """Return a session of the journal in the same form, as far as it is known."""
    intent = row.intent
    task = intent.get("task") or {}
    end = row.ended_at
    evidence = (row.ending or {}).get("evidence") or {}
    heard = evidence.get("heard") or {}
    leases = msgspec.convert(intent.get("leases") or [], list[Lease])
    return {
        "id": row.id,
        "task": row.task,
        "title": task.get("title", ""),
        "state": row.state,
        "harness": intent.get("harness", ""),
        "lane": intent.get("lane", ""),
        "repo": task.get("repo", ""),
        "pid": None,
        "worker_pid": None,
        "started_at": row.started_at,
        "ended_at": end,
        "elapsed": _lasted(evidence, round(end - row.started_at, 3) if end is not None else None),
        "budget": (intent.get("budget") or {}).get("wall"),
        "left": None,
        "attempt": intent.get("attempt"),
        "rung": intent.get("rung", ""),
        "level": (evidence.get("guard") or {}).get("level", ""),
        "confined": evidence.get("confined", False),
        "fence": max((lease.token for lease in leases), default=0),
        "outcome": row.outcome,
        "sentence": (row.ending or {}).get("sentence"),
        "grade": row.grade,
        "model": heard.get("model") or intent.get("model") or None,
        "usage": {name: heard.get(name) for name in ("tokens_in", "tokens_out", "cost_usd")},
    }


def whole_row(row: SessionRow) -> dict[str, Any]:
    """Return all that the journal knows of a session."""
    found = {**row_summary(row), "evidence": (row.ending or {}).get("evidence")}
    heard = (found["evidence"] or {}).get("heard")
    return found | ({"heard": heard} if heard is not None else {})


def _refused(session: Session, message: Mapping[str, Any]) -> RpcError:
    code = Code.TRY_LATER if message.get("try_later") else Code.REFUSED
    return RpcError(code, f"session {session.id}: {message.get('error') or message.get('why')}")


def _unreached(session: Session) -> RpcError:
    if isinstance(session.life.state, Starting):
        return RpcError(Code.TRY_LATER, _BEFORE_START)
    return RpcError(
        Code.REFUSED, f"session {session.id} is {session.state_name}, and its worker cannot be reached"
    )
