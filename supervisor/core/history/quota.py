"""How often a harness was started lately, against the quotas that cover it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `sessions` starts of these harnesses within `window` seconds."""

    name: str
    sessions: int
    window: float
    harnesses: tuple[str, ...] = ()


@dataclass(slots=True)
class Starts:
    """Instants (Unix seconds) of session starts per harness, oldest first."""

    by_harness: dict[str, deque[float]] = field(default_factory=dict)

    def add(self, harness: str, at: float) -> None:
        """Count a start."""
        self.by_harness.setdefault(harness, deque(maxlen=100_000)).append(at)

    def exhausted(self, harness: str, quotas: Iterable[Quota], now: float) -> tuple[Quota, float] | None:
        """Return the first quota that forbids another start of `harness`, and when it allows one again."""
        for quota in quotas:
            if harness not in quota.harnesses:
                continue
            inside = sorted(
                at
                for name in quota.harnesses
                for at in self.by_harness.get(name, ())
                if at > now - quota.window
            )
            if len(inside) >= quota.sessions:
                return quota, inside[len(inside) - quota.sessions] + quota.window
        return None
