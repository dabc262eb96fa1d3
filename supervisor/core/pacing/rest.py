"""A harness that cannot be used just now rests: it asked for it, or no session of it could be started.

Sessions that started before the rest began, and end alike, tell no news: they make it no longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.pacing.retry import RetryPolicy, backoff


@dataclass(frozen=True, slots=True)
class Rest:
    """No session of the harness starts before `until` (Unix seconds; `None`: before a reload).

    `failures` counts the endings in a row that led here.
    """

    failures: int
    until: float | None
    why: str

    def over(self, now: float) -> bool:
        """Tell whether a session may try again."""
        return self.until is not None and self.until <= now


def asked_for(before: Rest | None, policy: RetryPolicy, seed: str, now: float) -> Rest:
    """Return the rest of a harness that asked to be tried later; it grows each time in a row."""
    return held_up(before, policy, "it asked to be tried later", seed, now)


def held_up(before: Rest | None, policy: RetryPolicy, why: str, seed: str, now: float) -> Rest:
    """Return the rest after a start that the host had no means for; it is tried again for ever."""
    if before is not None and not before.over(now):
        return before
    failures = before.failures + 1 if before else 1
    return Rest(failures, now + backoff(failures, policy.base, policy.cap, policy.jitter_share, seed), why)


def not_started(before: Rest | None, policy: RetryPolicy, why: str, seed: str, now: float) -> Rest:
    """Return the rest of a harness whose program could not be started.

    It is the harness that is at fault, not the task: after as many failures as a task has attempts,
    nothing is tried before an operator has looked and reloaded.
    """
    rest = held_up(before, policy, why, seed, now)
    return rest if rest is before or rest.failures < policy.attempts else Rest(rest.failures, None, why)
