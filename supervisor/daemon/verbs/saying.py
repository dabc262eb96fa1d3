"""task.done, task.block, task.handoff: a session's word on its own task. task.note: what its later sessions are told."""

from __future__ import annotations

from typing import Any

from supervisor.core.decisions import saying
from supervisor.core.sessions.said import LONGEST, Kind, Said
from supervisor.core.sessions.visible import visible
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Workers
from supervisor.daemon.verbs.answers import answered_once_durable, asking, not_found, who
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Method, Params, Who

_YEAR = 366 * 86400.0


class SayDone(Params, kw_only=True):
    """`text`: what was done, or why nothing was left to do."""

    text: str = ""


class SayBlocked(Params, kw_only=True):
    """`text`: what is in the way; `again_in` seconds it may be tried again, without it an operator lets it."""

    text: str
    again_in: float | None = None


class HandOver(Params, kw_only=True):
    """`text`: what is done, what is left, and what the next session should know."""

    text: str


class TakeNote(Params, kw_only=True):
    """A note on a task, a session's own if `key` is empty."""

    text: str
    key: str = ""


class SayingVerbs:
    """Takes the words of sessions down; what they mean for the task is decided when the session ends."""

    def __init__(self, authority: Authority, workers: Workers) -> None:
        self._authority = authority
        self._workers = workers

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("task.done", SayDone, self.done, Who.SESSION),
            Method("task.block", SayBlocked, self.block, Who.SESSION),
            Method("task.handoff", HandOver, self.hand_over, Who.SESSION),
            Method("task.note", TakeNote, self.note, Who.ANYONE),
        ]

    def done(self, caller: Caller, params: SayDone) -> object:
        """Say that the task is done."""
        return self._say(caller, Kind.DONE, params.text, None)

    def block(self, caller: Caller, params: SayBlocked) -> object:
        """Say that the task cannot be done now."""
        if params.again_in is not None and not 0 < params.again_in <= _YEAR:
            raise RpcError(Code.PARAMS, "again_in must be more than 0 seconds and at most a year")
        return self._say(caller, Kind.BLOCKED, _given(params.text, "what is in the way"), params.again_in)

    def hand_over(self, caller: Caller, params: HandOver) -> object:
        """Say that another session is to go on."""
        return self._say(caller, Kind.HANDED_OVER, _given(params.text, "what is done and what is left"), None)

    def note(self, caller: Caller, params: TakeNote) -> object:
        """Keep a note with a task; answered once it is on disk."""
        text = _given(params.text, "something to note")
        authority = self._authority
        key, session = params.key, None
        if isinstance(caller, SessionCaller):
            own = asking(authority, caller)
            if key not in {"", own.key}:
                raise RpcError(Code.DENIED, "a session may write notes on its own task only", {"task": key})
            key, session = own.key, own.id
            text = self._workers.listener.masks(own).text(text)
        tables = authority.tables
        if tables.backlog.work(key) is None and session is None:
            raise not_found("task", key, "`leasehold task list --all` names them")
        authority.do(saying.note(tables, key, who(caller), text, authority.now(), session))
        return answered_once_durable(authority, {"task": key, "notes": len(tables.backlog.track(key).notes)})

    def _say(self, caller: Caller, kind: Kind, text: str, again_in: float | None) -> object:
        authority = self._authority
        session = asking(authority, caller)
        text = self._workers.listener.masks(session).text(_bounded(text))
        said = Said(kind, text, authority.now().wall, again_in)
        authority.do(saying.say(session, said))
        # It ought to leave now; its worker keeps the time for that.
        self._workers.order(session.id, "finished")
        answer = {"session": session.id, "task": session.key, "said": said.as_json()}
        return answered_once_durable(authority, answer)


def _given(text: str, what: str) -> str:
    text = _bounded(text)
    if not text:
        raise RpcError(Code.PARAMS, f"say {what}", {"field": "text"})
    return text


def _bounded(text: str) -> str:
    text = visible(text).strip()  # it comes to a terminal, and into an argument of the next session's program
    if len(text) > LONGEST:
        raise RpcError(
            Code.PARAMS,
            f"{len(text)} characters are too many, {LONGEST} at most: say the essence",
            {"field": "text"},
        )
    return text
