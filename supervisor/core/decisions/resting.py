"""When harnesses rest and when they go on: by the endings of their sessions, and by what a canary hears."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.tables import Tables
from supervisor.core.duration import format_duration
from supervisor.core.moment import Moment
from supervisor.core.pacing.rest import (
    Rest,
    Trouble,
    asked_for,
    came_through,
    held_up,
    not_started,
    probing,
    turned_away,
)
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.reading import VerdictKind
from supervisor.core.sessions.roster import Session

_TRIAL = 60.0  # seconds
# Endings of sessions that could use their harness, whatever came of it.
_PROOF = frozenset(
    {Outcome.FINISHED, Outcome.NO_CHANGE, Outcome.UNINTEGRATED, Outcome.FAILED, Outcome.TIMED_OUT}
)


def started(tables: Tables, session: Session, now: Moment) -> None:
    """Let a session that starts once a rest is over be the canary of its account."""
    rest = tables.resting.get(session.intent.harness)
    if rest is None or not rest.over(now.wall):
        return
    _, harnesses = tables.policy.account(session.intent.harness)
    for name in harnesses:
        if rest.proved():
            tables.resting.pop(name, None)
        else:
            tables.resting[name] = probing(tables.resting.get(name, rest), session.id)


def runs(tables: Tables, session: Session, now: Moment) -> list[Effect]:
    """Let a harness go on that could not be started, now that its canary runs."""
    rest = tables.resting.get(session.intent.harness)
    if rest is None or rest.canary != session.id or rest.trouble is not Trouble.START:
        return []
    return _resume(tables, session.intent.harness, f"session {session.id} runs", session, now)


def tried_until(tables: Tables, rest: Rest) -> float | None:
    """Return until when (Unix seconds) others wait for the living canary of a rest; `None` if there is none.

    One whose harness nobody understands is taken to be answered when it has lived for a while.
    """
    session = tables.roster.get(rest.canary) if rest.canary else None
    if session is None:
        return None
    return math.inf if session.understood() else session.intent.created.wall + _TRIAL


def _is_tried(tables: Tables, rest: Rest, now: float) -> bool:
    until = tried_until(tables, rest)
    return until is not None and until > now


def takes_none(tables: Tables, name: str, now: float) -> Rest | None:
    """Return the rest that keeps a harness from taking a session now."""
    rest = tables.resting.get(name)
    return rest if rest is not None and (not rest.over(now) or _is_tried(tables, rest, now)) else None


def answered(tables: Tables, session: Session, now: Moment) -> list[Effect]:
    """Let an account's harnesses go on whose canary was answered by its model."""
    rest = tables.resting.get(session.intent.harness)
    if rest is None or rest.canary != session.id:
        return []
    return _resume(tables, session.intent.harness, f"session {session.id} was answered", session, now)


def ended(tables: Tables, session: Session, ending: Ending, now: Moment) -> list[Effect]:
    """Let the account rest if it could not be used, and forget its troubles once it could."""
    harness, policy = session.intent.harness, tables.policy.retry
    before = tables.resting.get(harness)
    verdict = ending.evidence.get("verdict") or {}
    account, harnesses = tables.policy.account(harness)
    if ending.outcome is Outcome.RATE_LIMITED:
        why = f"it is rate-limited: {verdict['sentence']}" if verdict else ""
        rest = asked_for(before, policy, session.id, now.wall, why=why, at=verdict.get("retry_at"))
    elif ending.outcome is Outcome.UNAVAILABLE and verdict.get("kind") == VerdictKind.AUTH.value:
        rest = turned_away(before, f"its account was refused: {verdict['sentence']}", now.wall)
    elif ending.outcome is Outcome.UNAVAILABLE:
        why = f"its model server cannot be reached: {verdict['sentence']}"
        rest = held_up(before, policy, why, session.id, now.wall, Trouble.ACCOUNT)
    elif ending.evidence.get("cause") == "unlaunched":
        rest, harnesses = held_up(before, policy, ending.sentence, session.id, now.wall), (harness,)
    elif ending.outcome is Outcome.UNSPAWNED and not abandoned(ending):
        rest, harnesses = not_started(before, policy, ending.sentence, session.id, now.wall), (harness,)
    else:
        return _ended_otherwise(tables, session, ending, before, now)
    if rest == before:
        return []
    for name in harnesses:
        tables.resting[name] = rest
    data = {
        "harness": harness,
        "account": account,
        "harnesses": list(harnesses),
        "until": rest.until,
        "failures": rest.failures,
        "why": rest.why,
    }
    if rest.until is None:
        return [Note("harness.stopped", session.id, session.key, data)]
    return [Note("harness.resting", session.id, session.key, data)]


def lift(tables: Tables, harness: str, by: str) -> list[Effect] | None:
    """End the rest of a harness and of those that share its account; `None` if it does not rest."""
    account, harnesses = tables.policy.account(harness)
    rested = [name for name in harnesses if tables.resting.pop(name, None) is not None]
    if not rested:
        return None
    return [
        Note("harness.resumed", data={"harness": harness, "account": account, "harnesses": rested, "by": by})
    ]


def sentence(tables: Tables, name: str, rest: Rest, now: float) -> str:
    """Return in one line why a harness takes no session now, and what ends that."""
    account, _ = tables.policy.account(name)
    who = f"harness {name}" if account == name else f"harness {name} (account {account})"
    times = f" ({rest.failures} times in a row)" if rest.failures > 1 else ""
    if rest.until is None:
        return f"{who} is stopped: {rest.why}{times}; mend it, then `leasehold resume --harness {name}`"
    if rest.over(now):
        return f"{who} rested: {rest.why}; session {rest.canary} tries whether it works again"
    return f"{who} rests for {format_duration(rest.until - now)} more: {rest.why}{times}"


def told(tables: Tables, now: float) -> list[str]:
    """Return a sentence for each harness that takes no session now."""
    return [
        sentence(tables, name, rest, now)
        for name, rest in tables.resting.items()
        if takes_none(tables, name, now)
    ]


def given_up(tables: Tables, rest: Rest) -> bool:
    """Tell whether nobody waits for the end of a rest, as a run that ends when it is idle does not for ever."""
    return tables.patience is not None and rest.outlasts(tables.patience)


def told_given_up(tables: Tables, now: float) -> list[str]:
    """Return a sentence for each account that nobody waits for any longer."""
    found: dict[str, str] = {}
    for name, rest in tables.resting.items():
        if not given_up(tables, rest) or rest.over(now):
            continue
        account, harnesses = tables.policy.account(name)
        who = f"harness {name}" if account == name else f"account {account} (harness {', '.join(harnesses)})"
        since = format_duration(max(0.0, now - rest.since))
        tried = "once" if rest.failures == 1 else f"{rest.failures} times within {since}"
        found[account] = f"{who} was tried {tried}, and is not waited for any longer: {rest.why}"
    return list(found.values())


def try_now(tables: Tables, now: float) -> None:
    """Let what rested under an earlier supervisor be tried at once, but for what told when to come again."""
    for name, rest in tables.resting.items():
        if rest.until is not None and rest.trouble is not Trouble.LIMIT and not rest.proved():
            tables.resting[name] = replace(rest, until=min(rest.until, now), since=now)


def align(tables: Tables) -> None:
    """Let rests follow the configuration: a harness that is gone has none, one that joined an account rests with it."""
    for name in [name for name in tables.resting if name not in tables.policy.harnesses]:
        del tables.resting[name]
    for name, rest in list(tables.resting.items()):
        if rest.trouble is Trouble.START:
            continue
        for other in tables.policy.account(name)[1]:
            tables.resting.setdefault(other, rest)


def reloaded(tables: Tables, changed: Collection[str], now: float) -> None:
    """Let one session of each account try now, since an operator may have mended it.

    An hour that an account told is waited for all the same, but for harnesses that are `changed`.
    """
    align(tables)
    for name, rest in tables.resting.items():
        told = rest.trouble is Trouble.LIMIT and name not in changed
        if not told and not rest.proved():
            tables.resting[name] = replace(rest, until=now if rest.until is None else min(rest.until, now))


def abandoned(ending: Ending) -> bool:
    """Tell whether a supervisor ended between the intent and the start: nobody failed."""
    return ending.evidence.get("cause") == "abandoned"


def _ended_otherwise(
    tables: Tables, session: Session, ending: Ending, before: Rest | None, now: Moment
) -> list[Effect]:
    """Take an ending that says nothing against the account: a canary's, or that of a session from before the rest."""
    if before is None or before.until is None or session.intent.created.wall < before.until:
        return []
    if ending.outcome not in _PROOF:
        return []  # the next session is the canary
    return _resume(tables, session.intent.harness, f"session {session.id} could use it", session, now)


def _resume(tables: Tables, harness: str, why: str, session: Session, now: Moment) -> list[Effect]:
    account, harnesses = tables.policy.account(harness)
    rested = [name for name in harnesses if tables.resting.pop(name, None) is not None]
    if rested and session.live():
        for name in rested:
            tables.resting[name] = came_through(why, f"{session.id}{name}", now.wall)
    data = {"harness": harness, "account": account, "harnesses": rested, "by": why}
    return [Note("harness.resumed", session.id, session.key, data)]
