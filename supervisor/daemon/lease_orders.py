"""Orders to workers about their leases: what was granted, what has ended, and the whole list where it must be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import anyio
import msgspec

from supervisor.core.decisions.effects import Disown, Entrust, Recount
from supervisor.core.decisions.entrusting import shown
from supervisor.core.leases.lease import Lease
from supervisor.daemon.authority import Authority

_PORTION = 500  # leases that a worker is told of at a time
_ANSWER_LIMIT = 5.0  # seconds that a worker has to forget a lease


class Orders(Protocol):
    """The lines to the workers."""

    def order(
        self,
        session: str,
        op: str,
        answered: Callable[[Mapping[str, Any]], None] | None = None,
        **fields: Any,
    ) -> bool:
        """Send an order to a session's worker; return False when it cannot be reached."""


Answered = Callable[[Mapping[str, Any]], None]


class LeaseOrders:
    """Tells workers of their leases. What does not reach one is told when it greets again.

    Until a worker has greeted it is not known what it knows: it may go by a lease that had another token then, and would not
    forget it under the new one.
    """

    def __init__(self, authority: Authority, orders: Orders) -> None:
        self._authority = authority
        self._orders = orders
        self._greeted: set[str] = set()

    def greeted(self, session: str) -> None:
        """Take note that a worker has said what it knows."""
        self._greeted.add(session)

    def lost(self, session: str) -> None:
        """Take note that a worker is out of reach."""
        self._greeted.discard(session)

    def carry(self, effect: Entrust | Disown | Recount) -> None:
        """Tell a worker what has changed."""
        match effect:
            case Entrust(session, leases):
                self._entrust(session, leases)
            case Disown(session, tokens):
                self._tell(session, "revoke", None, tokens=tokens)
            case Recount(session):
                self._recount(session)

    async def forgotten(self, session: str, tokens: Collection[int]) -> bool | None:
        """Make a session's guard forget leases; return whether it said that it has, `None` when it cannot be asked."""
        heard = anyio.Event()
        ok: list[bool] = []

        def answered(message: Mapping[str, Any]) -> None:
            ok.append(message.get("ok") is True)
            heard.set()

        if not self.revoke(session, tokens, answered):
            return None
        with anyio.move_on_after(_ANSWER_LIMIT):
            await heard.wait()
        return ok == [True]

    def revoke(self, session: str, tokens: Collection[int], answered: Answered) -> bool:
        """Ask a session's guard to forget leases; return False when it cannot be asked."""
        return self._tell(session, "revoke", answered, tokens=list(tokens))

    def _tell(self, session: str, op: str, answered: Answered | None, **fields: Any) -> bool:
        return session in self._greeted and self._orders.order(session, op, answered, **fields)

    def _entrust(self, session: str, leases: Sequence[Lease]) -> None:
        """Tell of new leases, but for those that have been given back by now."""
        broker = self._authority.tables.broker
        written = [msgspec.to_builtins(lease) for lease in leases if broker.lease(lease.token) is not None]
        for at in range(0, len(written), _PORTION):  # a worker reads each line as a whole
            told = written[at : at + _PORTION]
            self._tell(session, "grant", lambda answer: self._understood(session, answer), leases=told)

    def _understood(self, session: str, answer: Mapping[str, Any]) -> None:
        """Send the whole list to a worker from before an upgrade, which knows of lists only."""
        if not answer.get("ok") and str(answer.get("error")).startswith("unknown op"):
            self._recount(session)

    def _recount(self, session: str) -> None:
        tables = self._authority.tables
        leases = [msgspec.to_builtins(lease) for lease in shown(tables, session)]
        self._tell(session, "hold", None, leases=leases, upto=tables.broker.last_token)
