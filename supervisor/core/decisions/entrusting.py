"""What a session's worker is told of its leases: of each change, what changed; when it greets, what it does not know.

A worker knows by itself what its guard was answered and what its guard gave back. All else is told here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from supervisor.core.decisions.effects import Disown, Effect, Entrust
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Lease


def entrust(tables: Tables, holder: str, leases: Iterable[Lease]) -> list[Effect]:
    """Return what tells the holder's worker of leases that are new, if it is a session and there are any."""
    new = tuple(leases)
    return [Entrust(holder, new)] if new and holder in tables.roster else []


def granted_since(newest: int, leases: Iterable[Lease]) -> list[Lease]:
    """Return those of an answer's leases that were granted after the one with the token `newest`, each once."""
    return [lease for lease in dict.fromkeys(leases) if lease.token > newest]


def disown(tables: Tables, holder: str, leases: Iterable[Lease]) -> list[Effect]:
    """Return what tells the holder's worker of leases that have ended, if it is a session and there are any."""
    tokens = tuple(lease.token for lease in leases)
    return [Disown(holder, tokens)] if tokens and holder in tables.roster else []


def raised(tables: Tables) -> list[Effect]:
    """Return what tells of the shared leases that gave way to exclusive ones, whatever it was that raised them."""
    return [effect for lease in tables.broker.raised() for effect in disown(tables, lease.holder, (lease,))]


def shown(tables: Tables, session: str) -> list[Lease]:
    """Return the leases that a session's worker is to know of.

    Not those that are just being taken back, which its guard may have forgotten already, and not those of which it is
    not certain yet whether they stay.
    """
    hidden = tables.closing | tables.untold
    return [lease for lease in tables.broker.held(session) if lease.token not in hidden]


def even_out(tables: Tables, session: str, known: Collection[int]) -> list[Effect]:
    """Return what a worker is told that has greeted and knows of the leases with these tokens."""
    held = {lease.token for lease in tables.broker.held(session)}
    over = tuple(token for token in known if token not in held)
    lacking = [lease for lease in shown(tables, session) if lease.token not in known]
    effects: list[Effect] = [Disown(session, over)] if over else []
    return effects + entrust(tables, session, lacking)
