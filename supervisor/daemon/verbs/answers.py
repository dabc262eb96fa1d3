"""Turning refusals of the core into errors of the wire."""

from __future__ import annotations

from collections.abc import Callable

from supervisor.core.decisions import requests
from supervisor.core.decisions.assign import NotAssigned
from supervisor.core.decisions.effects import Effect
from supervisor.core.decisions.orders import NotDone
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.leases.lease import TimedOut, Woken
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.journal.ticket import Ticket


def who(caller: Caller) -> str:
    """Return the name under which an order is recorded."""
    return f"session {caller.session}" if isinstance(caller, SessionCaller) else "operator"


def asking(authority: Authority, caller: Caller) -> Session:
    """Return the session that asks.

    Raises:
        RpcError: it is no living session.
    """
    session = authority.tables.roster.get(caller.session) if isinstance(caller, SessionCaller) else None
    if session is None:
        raise RpcError(Code.DENIED, "this is asked by a living session only")
    return session


def carried(authority: Authority, result: list[Effect] | NotDone | NotAssigned) -> None:
    """Carry out what was decided, or refuse with the reason.

    Raises:
        RpcError: it was refused.
    """
    if isinstance(result, NotDone | NotAssigned):
        raise RpcError(Code.REFUSED, result.why)
    authority.do(result)


def lease_error(refusal: LeaseRefusal) -> RpcError:
    """Return the error that carries a refused lease request."""
    code = Code.TRY_LATER if refusal.data.get("reason") == "timed_out" else Code.REFUSED
    return RpcError(code, refusal.sentence, refusal.data)


def not_found(what: str, name: str, way_out: str) -> RpcError:
    """Return the error for something that is not there."""
    return RpcError(Code.NOT_FOUND, f'no {what} "{name}"; {way_out}')


def answered_once_decided(
    authority: Authority, waiter: int, decided: Callable[[Woken | TimedOut, Later], None]
) -> Later:
    """Return the promise of an answer to a queued lease request, which `decided` gives; it goes when its asker does."""
    asked_at = authority.now().mono

    def gone() -> None:
        authority.promises.forget_waiter(waiter)
        authority.do(requests.cancel(authority.tables, waiter, authority.now()))

    def then(result: Woken | TimedOut) -> None:
        authority.tables.collisions.waited_seconds += authority.now().mono - asked_at
        decided(result, later)

    later = Later(on_gone=gone)
    authority.promises.when_decided(waiter, then)
    return later


def answered_once_durable(authority: Authority, answer: object) -> Later:
    """Return the promise of `answer` for when all that was recorded so far is on disk."""
    later = Later()

    def durable(ticket: Ticket) -> None:
        if ticket.error is None:
            later.answer(answer)
            return
        why = f"in force, but a restart would undo it, as it could not be recorded: {ticket.error}"
        later.refuse(RpcError(Code.REFUSED, why))

    authority.recorder.flush().add_done_callback(durable)
    return later
