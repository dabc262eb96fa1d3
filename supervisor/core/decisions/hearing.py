"""What follows from what harnesses tell: quotas that are used up, canaries that were answered, the model's name."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.decisions import resting
from supervisor.core.decisions.advance import advance
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note, Notify
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.quota import Quota, Used, limits_of
from supervisor.core.moment import Moment
from supervisor.core.sessions.hooks import Hooks
from supervisor.core.sessions.lifecycle import Run, Stop, Wanted
from supervisor.core.sessions.reading import Reading
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.visible import visible


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reading had come when it was last looked at: what came since is news."""

    model: str = ""
    tokens: int = 0
    cost_usd: float = 0.0
    answered: bool = False
    turns: int = 0
    edited: bool = False

    @classmethod
    def of(cls, reading: Reading) -> Mark:
        """Return where a reading is now."""
        tokens = (reading.tokens_in or 0) + (reading.tokens_out or 0)
        return cls(
            model=visible(reading.model),
            tokens=tokens,
            cost_usd=reading.cost_usd or 0.0,
            answered=reading.answered(),
            turns=reading.turns,
            edited=bool(reading.files),
        )


def heard(tables: Tables, session: Session, before: Mark, after: Mark, now: Moment) -> list[Effect]:
    """Take in what a session's harness told between two looks."""
    effects: list[Effect] = []
    if after.model and after.model not in {before.model, session.model}:
        session.model = after.model
        data = {"harness": session.intent.harness, "model": after.model}
        effects.append(Note("session.model", session.id, session.key, data))
    if after.answered and not before.answered:
        lifted = resting.answered(tables, session, now)
        effects += lifted
        effects += fill(tables, now) if lifted else []
    # That edit is over, and its hook has had the time to speak.
    if before.edited and after.turns > before.turns:
        effects += _miss_hooks(session)
    effects += keep_allowance(tables, session, before, after, now)
    tokens, cost = after.tokens - before.tokens, after.cost_usd - before.cost_usd
    if tokens > 0 or cost > 0:
        tables.starts.spend(session.intent.harness, now.wall, max(0, tokens), max(0.0, cost))
        effects += keep_quotas(tables, session.intent.harness, now)
    return effects


def keep_allowance(tables: Tables, session: Session, before: Mark, after: Mark, now: Moment) -> list[Effect]:
    """End a session that has used what one of its harness may use, and tell it when that is near.

    One whose harness has told its last word ends by itself.
    """
    harness = tables.policy.harnesses.get(session.intent.harness)
    over = session.heard is not None and session.heard.final
    if harness is None or over or not isinstance(session.life.wish, Run):
        return []
    allowance = harness.allowance
    if why := allowance.used_up(after.turns, after.tokens, after.cost_usd):
        return advance(tables, session.id, Wanted(Stop("budget", "supervisor", why)), now)
    why = allowance.nearly_used_up(after.turns, after.tokens, after.cost_usd)
    if why and not allowance.nearly_used_up(before.turns, before.tokens, before.cost_usd):
        return [Notify(session.id, f"{why}; commit what is good, and come to an end")]
    return []


def keep_quotas(tables: Tables, harness: str, now: Moment) -> list[Effect]:
    """End the sessions of each quota over this harness whose tokens or cost are used up."""
    effects: list[Effect] = []
    for quota in tables.policy.quotas:
        if not quota.covers(harness) or (quota.tokens is None and quota.cost_usd is None):
            continue
        if tables.starts.overspent(quota, now.wall):
            effects += _end(tables, quota, tables.starts.used(quota, now.wall), now)
    return effects


def keep_all_quotas(tables: Tables, now: Moment) -> list[Effect]:
    """End the sessions of every quota that is used up, as one may be that has just come into force."""
    return [effect for harness in tables.policy.harnesses for effect in keep_quotas(tables, harness, now)]


def _end(tables: Tables, quota: Quota, used: Used, now: Moment) -> list[Effect]:
    ending = [
        session
        for session in tables.roster
        if quota.covers(session.intent.harness) and isinstance(session.life.wish, Run)
    ]
    if not ending:
        return []
    why = f"quota {quota.name} is used up: {limits_of(quota, used)}"
    data = {"quota": quota.name, "why": why, "until": used.frees, "sessions": [s.id for s in ending]}
    effects: list[Effect] = [Note("quota.used_up", data=data)]
    for session in ending:
        effects += advance(tables, session.id, Wanted(Stop("quota", "supervisor", why)), now)
    return effects


def ended(tables: Tables, session: Session, reading: Reading | None, now: Moment) -> list[Effect]:
    """Note what a session used in all, as far as its harness told, and hooks that it should have run."""
    missed = _miss_hooks(session) if reading is not None and reading.files else []
    tokens = reading is None or (reading.tokens_in is None and reading.tokens_out is None)
    cost = reading is None or reading.cost_usd is None
    silent = reading is not None and reading.heard > 0 and not reading.answered()
    if (tokens or cost) and not silent:  # a model that never answered was paid nothing
        tables.starts.told_nothing(session.intent.harness, now.wall, tokens=tokens, cost=cost)
    if reading is None or not reading.heard:
        return missed
    data = {
        "harness": session.intent.harness,
        "model": reading.model or session.intent.model,
        "turns": reading.turns,
        "tool_calls": reading.tool_calls,
        "tokens_in": reading.tokens_in,
        "tokens_out": reading.tokens_out,
        "tokens_cached": reading.tokens_cached,
        "cost_usd": reading.cost_usd,
    }
    return [*missed, Note("session.usage", session.id, session.key, data)]


def _miss_hooks(session: Session) -> list[Effect]:
    """Say once that an agent edited files and did not run the hooks that it was given."""
    if session.hooks is not Hooks.AWAITED:
        return []
    session.hooks = Hooks.SILENT
    harness = session.intent.harness
    why = (
        f"harness {harness} edited files and did not run the hooks it was given; guard and gate still hold it. See whether its version "
        f"is one that the adapter was tested with (leasehold doctor), and whether settings turn hooks off; harness.{harness}.hooks = false does without"
    )
    return [Note("session.unhooked", session.id, session.key, {"harness": harness, "why": why})]
