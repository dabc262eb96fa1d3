"""A harness that cannot be used just now rests: it asked for it, or no session of it could be started.

Harnesses that share an account rest together. When a rest is over, one session tries, as the canary; once it has got
an answer from the model, the others follow, a little apart. Sessions that started before the rest began, and end
alike, tell no news: they make it no longer.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from supervisor.core.pacing.retry import RetryPolicy, backoff, unit_hash

LONGEST = 8 * 86_400.0  # seconds; what is told as a later reset than that is a mistake
_APART = 15.0  # seconds within which the others follow the canary
# Of a wait that was told; so much later at most is tried, since others wait for the same instant.
_LATE_SHARE = 0.1
_LATE_MOST = 60.0


class Trouble(enum.Enum):
    """What kept a harness from working."""

    START = "start"  # over once its program runs
    ACCOUNT = "account"  # over once the model answers
    LIMIT = "limit"  # the same, and the account told when to come again


@dataclass(frozen=True, slots=True)
class Rest:
    """No session of the harness starts before `until` (Unix seconds; `None`: before an operator's word).

    `failures` counts the endings in a row that led here; none are left once a canary came through. `canary` is the
    session that tries, after `until`, whether it works again. `since` (Unix seconds) is when the first of these endings was.
    """

    failures: int
    until: float | None
    why: str
    canary: str = ""
    trouble: Trouble = Trouble.START
    since: float = 0.0

    def over(self, now: float) -> bool:
        """Tell whether a session may try again."""
        return self.until is not None and self.until <= now

    def proved(self) -> bool:
        """Tell whether a canary came through, so that the others only follow a little apart."""
        return self.failures == 0

    def outlasts(self, patience: float) -> bool:
        """Tell whether this goes on for longer than `patience` seconds and nobody told until when."""
        if self.until is None or self.proved() or self.trouble is Trouble.LIMIT:
            return False
        return self.until - self.since > patience


def asked_for(
    before: Rest | None, policy: RetryPolicy, seed: str, now: float, *, why: str = "", at: float | None = None
) -> Rest:
    """Return the rest of a harness that asked to be tried later: `at` (Unix seconds) if it told when.

    Without such an hour it grows each time in a row.
    """
    why = why or "it asked to be tried later"
    if at is None or at <= now:
        return held_up(before, policy, why, seed, now, Trouble.ACCOUNT)
    wait = min(at - now, LONGEST)
    if before is not None and before.over(now) and not before.proved():
        # It told an hour that was not true. One that goes on so is asked less and less often.
        wait = max(wait, backoff(before.failures + 1, policy.base, policy.cap, policy.jitter_share, seed))
    until = now + wait + min(wait * _LATE_SHARE, _LATE_MOST) * unit_hash(seed)
    if before is not None and not before.over(now):
        if before.until is None or before.until >= now + wait:
            return before
        return Rest(before.failures, until, why, trouble=Trouble.LIMIT, since=before.since)
    return _next(before, until, why, Trouble.LIMIT, now)


def held_up(
    before: Rest | None,
    policy: RetryPolicy,
    why: str,
    seed: str,
    now: float,
    trouble: Trouble = Trouble.START,
) -> Rest:
    """Return the rest after what may be over at any time; it is tried again for ever."""
    if before is not None and not before.over(now):
        return before
    failures = before.failures + 1 if before else 1
    until = now + backoff(failures, policy.base, policy.cap, policy.jitter_share, seed)
    return _next(before, until, why, trouble, now)


def not_started(before: Rest | None, policy: RetryPolicy, why: str, seed: str, now: float) -> Rest:
    """Return the rest of a harness whose program could not be started.

    It is the harness that is at fault, not the task: after as many failures as a task has attempts,
    nothing is tried before an operator has looked and reloaded.
    """
    rest = held_up(before, policy, why, seed, now)
    return rest if rest is before or rest.failures < policy.attempts else replace(rest, until=None)


def turned_away(before: Rest | None, why: str, now: float) -> Rest:
    """Return the rest of a harness whose account was refused: trying again helps nobody, an operator must look."""
    if before is not None and before.until is None:
        return before
    return _next(before, None, why, Trouble.ACCOUNT, now)


def probing(rest: Rest, session: str) -> Rest:
    """Return the rest while `session` tries whether it works again."""
    return replace(rest, canary=session)


def came_through(why: str, seed: str, now: float) -> Rest:
    """Return what is left of a rest once its canary was answered: the others follow a little apart."""
    return Rest(0, now + _APART * unit_hash(seed), why)


def _next(before: Rest | None, until: float | None, why: str, trouble: Trouble, now: float) -> Rest:
    """Return the rest after one more ending in a row."""
    if before is None or before.proved():
        return Rest(1, until, why, trouble=trouble, since=now)
    return Rest(before.failures + 1, until, why, trouble=trouble, since=before.since)
