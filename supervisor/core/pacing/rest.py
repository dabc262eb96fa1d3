"""A harness that cannot be used just now rests: it asked for it, or its program could not be started."""

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
    failures = before.failures + 1 if before else 1
    until = now + backoff(failures, policy.base, policy.cap, policy.jitter_share, seed)
    return Rest(failures, until, "it asked to be tried later")


def not_started(before: Rest | None, policy: RetryPolicy, why: str, seed: str, now: float) -> Rest:
    """Return the rest of a harness whose program could not be started.

    It is the harness that is at fault, not the task: after as many failures as a task has attempts,
    nothing is tried before an operator has looked and reloaded.
    """
    failures = before.failures + 1 if before else 1
    if failures >= policy.attempts:
        return Rest(failures, None, why)
    return Rest(failures, now + backoff(failures, policy.base, policy.cap, policy.jitter_share, seed), why)
