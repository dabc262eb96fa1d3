"""task.add, list, show, hold, release, cancel, retry and priority."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from supervisor.core.decisions import orders
from supervisor.core.decisions.effects import Note
from supervisor.core.decisions.selection import Fit, explain
from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.standing import standing_name
from supervisor.core.tasks.task import Problem
from supervisor.daemon.authority import Authority
from supervisor.daemon.ownership import misplaced
from supervisor.daemon.sources.feeds import Sources
from supervisor.daemon.sources.queue import Queue, QueueError
from supervisor.daemon.verbs.answers import carried, not_found, who
from supervisor.daemon.verbs.turn import would_run
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.journal.journal import Journal


class Add(Params, kw_only=True):
    """A task as any source would describe it; without a repository it is meant for the one around `cwd`."""

    task: dict[str, Any]
    cwd: str = ""


class One(Params, kw_only=True):
    """A task by key."""

    key: str


class Show(Params, kw_only=True):
    """A task by key; a session's own if it is empty."""

    key: str = ""


class Hold(One, kw_only=True):
    """A task, and why it is held."""

    why: str = ""


class Priority(One, kw_only=True):
    """A task and its priority; `None` goes back to its source's."""

    priority: int | None


class ListTasks(Params, kw_only=True):
    """`all` includes what is over."""

    all: bool = False


class TaskVerbs:
    """Answers about tasks."""

    def __init__(
        self, authority: Authority, queue: Queue, sources: Sources, journal: Journal, shop: Workshop
    ) -> None:
        self._authority = authority
        self._shop = shop
        self._journal = journal
        self._sources = sources
        self._queue = queue

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("task.add", Add, self.add),
            Method("task.list", ListTasks, self.list_, Who.ANYONE),
            Method("task.show", Show, self.show, Who.ANYONE),
            Method("task.hold", Hold, self.hold),
            Method("task.release", One, self._order(orders.release)),
            Method("task.cancel", One, self._order(orders.cancel)),
            Method("task.retry", One, self._order(orders.retry)),
            Method("task.priority", Priority, self.priority),
        ]

    def add(self, caller: Caller, params: Add) -> object:
        """Put a task into the queue; answered once it is on disk and in the backlog."""
        if why := misplaced(self._journal):
            raise RpcError(Code.REFUSED, f"the task could not be stored: {why}")
        described = params.task
        if not self._queue.defaults.repo and (around := self._shop.around(params.cwd)):
            described = {"repo": around, **described}
        try:
            task, ticket = self._queue.add(described)
        except QueueError as error:
            raise RpcError(Code.REFUSED, str(error)) from error
        authority = self._authority
        key = task.key
        authority.do([Note("task.added", task=key, data={"by": who(caller)})])
        later = Later()

        def durable(_: object) -> None:
            if ticket.error is not None:
                self._queue.undo(key)
                later.refuse(RpcError(Code.REFUSED, f"the task could not be stored: {ticket.error}"))
                return
            self._sources.read_then(task.source, lambda: self._tell_now(later, key))

        ticket.add_done_callback(durable)
        return later

    def list_(self, _caller: Caller, params: ListTasks) -> object:
        """Return the backlog in the order in which it would run, then the rest."""
        tables, now = self._authority.tables, self._authority.now()
        works = sorted(tables.backlog.works(), key=lambda work: tables.backlog.rank(work.task.key))
        shown = [work for work in works if params.all or not tables.backlog.closed(work.task.key)]
        return {
            "tasks": [self._summary(work) for work in shown],
            "problems": [_problem(problem) for problem in tables.backlog.problems()],
            "at": now.wall,
        }

    def show(self, caller: Caller, params: Show) -> object:
        """Return all that is known of one task."""
        key = params.key
        if isinstance(caller, SessionCaller):
            session = self._authority.tables.roster.get(caller.session)
            if session is None or key not in {"", session.key}:
                raise RpcError(Code.DENIED, "a session may see its own task only", {"task": key})
            key = session.key
        tables = self._authority.tables
        work = self._work(key)
        track = tables.backlog.track(key)
        return {
            **self._summary(work),
            "body": work.task.body,
            "requires": list(work.task.requires),
            "blockers": list(tables.backlog.blockers(key)),
            "tags": list(work.task.tags),
            "budget": work.task.budget,
            "expects": work.task.expects.value,
            "harness": work.task.harness,
            "scopes": [{"scope": w.scope.text, "mode": w.mode.value} for w in work.wants],
            "origin": work.task.origin,
            "last": msgspec.to_builtins(track.last),
            "notes": [note.as_json() for note in track.notes],
        }

    def hold(self, caller: Caller, params: Hold) -> object:
        """Take a task out of the running."""
        self._work(params.key)
        authority = self._authority
        carried(
            authority, orders.hold(authority.tables, params.key, who(caller), params.why, authority.now())
        )
        return self._now(params.key)

    def priority(self, caller: Caller, params: Priority) -> object:
        """Override a task's priority."""
        self._work(params.key)
        authority = self._authority
        result = orders.set_priority(
            authority.tables, params.key, params.priority, who(caller), authority.now()
        )
        carried(authority, result)
        return self._now(params.key)

    def _order(self, order: Callable[..., orders.Result]) -> Callable[[Caller, One], object]:
        def answer(caller: Caller, params: One) -> object:
            self._work(params.key)
            authority = self._authority
            carried(authority, order(authority.tables, params.key, who(caller), authority.now()))
            return self._now(params.key)

        return answer

    def _tell_now(self, later: Later, key: str) -> None:
        """Answer with the task, unless a reload has taken its queue away meanwhile."""
        try:
            later.answer(self._now(key))
        except RpcError as error:
            later.refuse(error)

    def _now(self, key: str) -> object:
        return self._summary(self._work(key))

    def _work(self, key: str) -> Work:
        work = self._authority.tables.backlog.work(key)
        if work is None:
            raise not_found("task", key, "`leasehold task list --all` names them")
        return work

    def _summary(self, work: Work) -> dict[str, Any]:
        tables, now = self._authority.tables, self._authority.now()
        task, track = work.task, tables.backlog.track(work.task.key)
        found = explain(tables, work, now)
        session = tables.roster.of_task(task.key)
        return {
            "id": task.key,
            "title": task.title,
            "standing": standing_name(track.standing),
            "stage": task.stage.value,
            "tier": int(tables.backlog.tier(task.key)),
            "priority": task.priority if track.priority is None else track.priority,
            "lane": task.lane,
            "repo": task.repo,
            "source": task.source,
            "paths": list(task.paths),
            "attempts": track.attempts,
            "session": session.id if session else None,
            "runs_now": isinstance(found, Fit),
            "reason": "" if isinstance(found, Fit) else found.reason.value,
            "sentence": would_run(tables, self._authority.now())
            if isinstance(found, Fit)
            else found.sentence,
        }


def _problem(problem: Problem) -> dict[str, str]:
    return {"source": problem.source, "sentence": problem.sentence()}
