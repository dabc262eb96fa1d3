"""guard.claim: what the guard of a session asks at the first write of a path."""

from __future__ import annotations

from typing import Any

import msgspec

from supervisor.core.decisions import claims, requests
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.leases.lease import Granted, Lease, TimedOut, Waiting, Want, Woken
from supervisor.core.leases.scope import ScopeError
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.preparing import Workshop
from supervisor.daemon.verbs.answers import lease_error
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.git.wire_path import decode_path


class GuardClaim(Params, kw_only=True):
    """Paths relative to the session's repository, as `core.decisions.claims.Claim`; `wait` in seconds."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    wait: float = 0.0


class GuardVerbs:
    """Answers for guards. The leases come as workers keep them: [holder, scope, mode, token, granted_at]."""

    def __init__(self, authority: Authority, shop: Workshop) -> None:
        self._authority = authority
        self._shop = shop

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [Method("guard.claim", GuardClaim, self.claim, Who.SESSION)]

    def claim(self, caller: Caller, params: GuardClaim) -> object:
        """Grant, refuse, or answer when the wait is over."""
        authority = self._authority
        session = self._session(caller)
        asked = claims.Claim(
            tuple(map(decode_path, params.files)),
            tuple(map(decode_path, params.folders)),
            tuple(map(decode_path, params.places)),
        )
        repo = self._shop.repos.get(session.intent.repo)
        try:
            verdict, wants, effects = claims.claim(
                authority.tables,
                session,
                asked,
                max(0.0, params.wait),
                authority.now(),
                fold_case=repo is not None and repo.fold_case,
            )
        except ScopeError as error:
            raise RpcError(Code.REFUSED, str(error), {"reason": "scope"}) from error
        answer: object = None
        match verdict:
            case Granted(leases):
                answer = _written(leases)
            case Waiting(waiter=waiter):
                answer = self._promise(session, waiter, wants)
            case LeaseRefusal():
                authority.do(effects)
                raise lease_error(verdict)
        authority.do(effects)
        return answer

    def _session(self, caller: Caller) -> Session:
        session = (
            self._authority.tables.roster.get(caller.session) if isinstance(caller, SessionCaller) else None
        )
        if session is None:
            raise RpcError(Code.DENIED, "this is asked by a living session only")
        return session

    def _promise(self, session: Session, waiter: int, wants: tuple[Want, ...]) -> Later:
        authority = self._authority

        def gone() -> None:
            authority.promises.forget_waiter(waiter)
            authority.do(requests.cancel(authority.tables, waiter, authority.now()))

        later = Later(on_gone=gone)

        def decided(result: Woken | TimedOut) -> None:
            if isinstance(result, Woken):
                later.answer(_written(result.leases))
                return
            refusal = requests.refuse(authority.tables, wants, result, authority.now())
            authority.do(claims.timed_out(authority.tables, session, refusal))
            later.refuse(lease_error(refusal))

        authority.promises.when_decided(waiter, decided)
        return later


def _written(leases: tuple[Lease, ...]) -> dict[str, object]:
    return {"leases": [msgspec.to_builtins(lease) for lease in leases]}
