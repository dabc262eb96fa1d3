"""Time: what is due now, and the next instant at which something will be. Nothing polls."""

from __future__ import annotations

import math
from collections.abc import Sequence

from supervisor.core.decisions import resting
from supervisor.core.decisions.advance import advance, woken
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import CheckIdle, Effect, Note, Notify, Probe, SaveTask, TakeBack, Wake
from supervisor.core.decisions.entrusting import disown, entrust
from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Lease, TimedOut
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.sessions.lifecycle import Paused, Running, Stop, Wanted
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import Ready

LOOK_AGAIN = 5.0  # seconds


def _in_vain(tables: Tables, result: TimedOut, now: Moment) -> Note:
    session = tables.roster.get(result.holder)
    id_, key = (session.id, session.key) if session else (None, None)
    in_the_way = (f"{other.scope.text} is {describe(tables, other, now)}" for other in result.conflicts)
    data = {
        "holder": result.holder,
        "behind": list(dict.fromkeys(other.holder for other in result.conflicts)),
        "why": f"gave up waiting: {'; '.join(in_the_way)}",
    }
    return Note("lease.wait_timed_out", id_, key, data)


def tick(tables: Tables, now: Moment) -> list[Effect]:
    """Carry out what is due: waits that ran out, idle leases, back-offs, quotas, stall probes."""
    effects: list[Effect] = []
    for result in tables.broker.due(now.mono):
        if isinstance(result, TimedOut):
            effects.append(Wake(result))
            effects.append(_in_vain(tables, result, now))
        else:
            effects += woken(tables, [result])
    ttl = tables.policy.leases.ttl
    for lease in tables.broker.idle(now.mono, ttl):
        if _is_paused(tables, lease.holder):
            tables.broker.touch(lease.holder, now.mono)
            continue
        effects.append(CheckIdle(lease.token))
        # The look takes a moment; should it not come back, the lease is looked at again.
        tables.broker.touch(lease.holder, now.mono - ttl + min(LOOK_AGAIN, ttl))
    for key in [key for key, until in tables.backlog.cooling() if until <= now.wall]:
        tables.backlog.put(key, tables.backlog.track(key).moved(Ready()))
        effects.append(SaveTask(key))
    for session in list(tables.roster):
        if session.turn_over_at is not None and session.turn_over_at <= now.mono:
            wish = Stop("preempt", "supervisor", session.after_turn or "")
            session.turn_over_at = session.after_turn = None
            effects += advance(tables, session.id, Wanted(wish), now)
        if (at := _probe_at(session)) is not None and at <= now.mono:
            session.probed_at = now.mono
            effects.append(Probe(session.id))
    return effects + fill(tables, now)


def next_wake(tables: Tables, now: Moment) -> float | None:
    """Return the seconds until `tick` has something to do; `None` when only news can change that."""
    mono = [tables.broker.deadline(tables.policy.leases.ttl)]
    mono += [_probe_at(session) for session in tables.roster]
    mono += [session.turn_over_at for session in tables.roster]
    mono.append(tables.shortage.look_at if tables.shortage else None)
    wall = [until for _, until in tables.backlog.cooling()]
    wall += [
        rest.until for rest in tables.resting.values() if rest.until is not None and not rest.over(now.wall)
    ]
    wall += [
        until
        for rest in tables.resting.values()
        if (until := resting.tried_until(tables, rest)) is not None and now.wall < until < math.inf
    ]
    wall += [
        state.until
        for state in (*tables.lane_state.values(), tables.all_lanes)
        if isinstance(state, flow.Paused) and state.until > now.wall
    ]
    for name in tables.policy.harnesses:
        exhausted = tables.starts.exhausted(name, tables.policy.quotas, now.wall)
        if exhausted is not None:
            wall.append(exhausted[1])
    waits = [at - now.mono for at in mono if at is not None] + [at - now.wall for at in wall]
    return max(0.0, min(waits)) if waits else None


def probed(tables: Tables, session_id: str, fingerprint: str, now: Moment) -> list[Effect]:
    """Take a progress fingerprint; a session whose HEAD, tree and log stood still is stopped as stalled."""
    session = tables.roster.get(session_id)
    if session is None or session.budget.stall is None:
        return []
    if fingerprint != session.fingerprint:
        session.fingerprint, session.progress_at = fingerprint, now.mono
        return []
    quiet = now.mono - session.progress_at
    if quiet < session.budget.stall:
        return []
    what = "model and tools did nothing, HEAD and tree" if session.understood() else "HEAD, tree and log"
    why = f"{what} did not change for {quiet:.0f} s"
    return advance(tables, session_id, Wanted(Stop("stall", "supervisor", why)), now)


def still_idle(tables: Tables, token: int, last_write: float | None, now: Moment) -> list[Effect]:
    """Decide about an idle lease that somebody waits for, once its holder was looked at.

    `last_write` is the CLOCK_BOOTTIME second of the newest change found in its scope, or `now` when a
    process of the holder has it open for writing; `None` when neither was found.
    """
    lease = tables.broker.lease(token)
    if lease is None or _is_paused(tables, lease.holder):
        return []
    if last_write is not None and last_write > now.mono - tables.policy.leases.ttl:
        tables.broker.touch(lease.holder, last_write)
        return []
    if is_guarded(tables, lease.holder):
        if token in tables.closing:
            return []
        tables.closing.add(token)
        return [TakeBack(lease.holder, token)]
    return [*_expire(tables, lease, now), *disown(tables, lease.holder, (lease,))]


def taken_back(tables: Tables, token: int, *, still_open: bool, now: Moment) -> list[Effect]:
    """Decide about an idle lease that its holder's guard has forgotten: end it if nothing is open below it."""
    tables.closing.discard(token)
    lease = tables.broker.lease(token)
    if lease is None:
        return []
    if still_open:
        return keep(tables, (lease,), now)
    return _expire(tables, lease, now)


def not_taken_back(tables: Tables, token: int, now: Moment) -> None:
    """Leave an idle lease as it is whose holder's guard could not be asked to forget it."""
    tables.closing.discard(token)
    lease = tables.broker.lease(token)
    if lease is not None:
        tables.broker.touch(lease.holder, now.mono)


def keep(tables: Tables, leases: Sequence[Lease], now: Moment) -> list[Effect]:
    """Leave leases that a guard has forgotten with their holder, under new tokens: the old ones are revoked there."""
    effects: list[Effect] = []
    kept: dict[str, list[Lease]] = {}
    for lease in leases:
        new, results = tables.broker.renumber(lease.token, now.mono)
        if new is not None:
            kept.setdefault(lease.holder, []).append(new)
        effects += woken(tables, results)
        tables.broker.touch(lease.holder, now.mono)
    return effects + [effect for holder, new in kept.items() for effect in entrust(tables, holder, new)]


def is_guarded(tables: Tables, holder: str) -> bool:
    """Tell whether a holder's writes are held to its leases by a guard, which must be told before one ends."""
    session = tables.roster.get(holder)
    return session is not None and session.level == "kernel" and session.worker() is not None


def _expire(tables: Tables, lease: Lease, now: Moment) -> list[Effect]:
    token = lease.token
    session = tables.roster.get(lease.holder)
    data = {"scope": lease.scope.text, "token": token, "holder": lease.holder}
    note = Note("lease.expired", session.id if session else None, session.key if session else None, data)
    effects: list[Effect] = [note]
    if session is not None:
        text = f"your lease on {lease.scope.text} has expired: idle, and another session waited for it"
        effects.append(Notify(session.id, f"{text}; ask again before you write there"))
    woken_now = woken(tables, tables.broker.expire(token, now.mono))
    return effects + woken_now + fill(tables, now)


def _is_paused(tables: Tables, holder: str) -> bool:
    """Tell whether a holder is a session that cannot write just now, so that its idleness says nothing."""
    session = tables.roster.get(holder)
    return session is not None and isinstance(session.life.state, Paused)


def _probe_at(session: Session) -> float | None:
    """Return when to look for progress next: twice per stall limit, so that it is never overrun by half."""
    stall = session.budget.stall
    if stall is None or not isinstance(session.life.state, Running):
        return None
    return max(session.probed_at, session.life.state.since.mono) + stall / 2
