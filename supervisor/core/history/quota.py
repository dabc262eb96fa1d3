"""What harnesses may do within a window of time, and what they did of it: starts, tokens, cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from supervisor.core.duration import format_duration

T = TypeVar("T")

_TOGETHER = 30.0  # seconds of spending that are kept as one


@dataclass(frozen=True, slots=True)
class Quota:
    """At most so many starts, tokens and US dollars of these harnesses within `window` seconds; `None`: no limit.

    Harnesses that it names (`account`) share an account: what keeps one of them from its model keeps all.
    """

    name: str
    sessions: int | None
    window: float
    harnesses: tuple[str, ...] = ()
    tokens: int | None = None
    cost_usd: float | None = None
    account: bool = False


@dataclass(slots=True)
class Spent:
    """Tokens and US dollars that were spent at about the same time; `at` is Unix seconds."""

    at: float
    tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Used:
    """What was used of a quota within its window.

    `frees` is when (Unix seconds) it allows a start again, if it forbids one. `overspent` says in words which of tokens
    and cost are used up; then living sessions have to end too.
    """

    sessions: int
    tokens: int
    cost_usd: float
    frees: float | None
    overspent: str = ""


@dataclass(slots=True)
class Starts:
    """Instants (Unix seconds) of session starts per harness, and what its sessions spent, oldest first.

    `untold` counts those ended sessions per harness that did not tell what they spent.
    """

    by_harness: dict[str, deque[float]] = field(default_factory=dict)
    spent: dict[str, deque[Spent]] = field(default_factory=dict)
    untold: dict[str, deque[float]] = field(default_factory=dict)

    def add(self, harness: str, at: float) -> None:
        """Count a start."""
        self.by_harness.setdefault(harness, deque(maxlen=100_000)).append(at)

    def spend(self, harness: str, at: float, tokens: int, cost_usd: float) -> None:
        """Count what a session spent."""
        entries = self.spent.setdefault(harness, deque(maxlen=100_000))
        if entries and 0 <= at - entries[-1].at < _TOGETHER:
            entries[-1].tokens += tokens
            entries[-1].cost_usd += cost_usd
        else:
            entries.append(Spent(at, tokens, cost_usd))

    def told_nothing(self, harness: str, at: float) -> None:
        """Count a session that did not tell what it spent."""
        self.untold.setdefault(harness, deque(maxlen=10_000)).append(at)

    def precede(self, older: Starts) -> None:
        """Put what happened before all of this in front of it."""
        _put_before(self.by_harness, older.by_harness)
        _put_before(self.spent, older.spent)
        _put_before(self.untold, older.untold)

    def used(self, quota: Quota, now: float) -> Used:
        """Return what was used of a quota, and when it allows a start again if it is used up."""
        starts = sorted(self._inside(self.by_harness, quota, now))
        spent = sorted(self._spent_inside(quota, now), key=lambda entry: entry.at)
        tokens = sum(entry.tokens for entry in spent)
        cost = sum(entry.cost_usd for entry in spent)
        frees: list[float] = []
        overspent = ""
        if quota.sessions is not None and len(starts) >= quota.sessions:
            frees.append(starts[len(starts) - quota.sessions])
        if quota.tokens is not None and tokens >= quota.tokens:
            frees.append(_below(spent, [entry.tokens for entry in spent], quota.tokens))
            overspent = f"{tokens} of {quota.tokens} tokens"
        if quota.cost_usd is not None and cost >= quota.cost_usd:
            frees.append(_below(spent, [entry.cost_usd for entry in spent], quota.cost_usd))
            overspent = f"{cost:.2f} of {quota.cost_usd:.2f} USD"
        until = max(frees) + quota.window if frees else None
        return Used(len(starts), tokens, cost, until, overspent)

    def untold_of(self, quota: Quota, now: float) -> int:
        """Return how many sessions within the window did not tell what they spent."""
        return sum(1 for _ in self._inside(self.untold, quota, now))

    def exhausted(self, harness: str, quotas: Iterable[Quota], now: float) -> tuple[Quota, float] | None:
        """Return the first quota that forbids another start of `harness`, and when it allows one again."""
        for quota in quotas:
            if harness in quota.harnesses:
                used = self.used(quota, now)
                if used.frees is not None:
                    return quota, used.frees
        return None

    def _inside(self, by_harness: dict[str, deque[float]], quota: Quota, now: float) -> Iterator[float]:
        return (at for name in quota.harnesses for at in by_harness.get(name, ()) if at > now - quota.window)

    def _spent_inside(self, quota: Quota, now: float) -> Iterator[Spent]:
        for name in quota.harnesses:
            for entry in reversed(self.spent.get(name, ())):
                if entry.at <= now - quota.window:
                    break
                yield entry


def limits_of(quota: Quota, used: Used) -> str:
    """Return in words what was used of each limit of a quota."""
    parts = []
    if quota.sessions is not None:
        parts.append(f"{used.sessions} of {quota.sessions} sessions")
    if quota.tokens is not None:
        parts.append(f"{used.tokens} of {quota.tokens} tokens")
    if quota.cost_usd is not None:
        parts.append(f"{used.cost_usd:.2f} of {quota.cost_usd:.2f} USD")
    return f"{', '.join(parts) or 'no limit'} within {format_duration(quota.window)}"


def _put_before(mine: dict[str, deque[T]], theirs: dict[str, deque[T]]) -> None:
    for name, entries in theirs.items():
        mine[name] = deque((*entries, *mine.get(name, ())), maxlen=entries.maxlen)


def _below(spent: list[Spent], amounts: Sequence[float], limit: float) -> float:
    """Return the instant of the entry with whose end the sum of the later ones falls below `limit`."""
    left = sum(amounts)
    for entry, amount in zip(spent, amounts, strict=True):
        left -= amount
        if left < limit:
            return entry.at
    return spent[-1].at
