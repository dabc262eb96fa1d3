"""What harnesses may do within a window of time, and what they did of it: starts, tokens, cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import NamedTuple, TypeVar

from supervisor.core.duration import format_duration
from supervisor.core.history.meter import Meter, metered

T = TypeVar("T")

_TOGETHER = 30.0  # seconds of spending that are kept as one


@dataclass(frozen=True, slots=True)
class Quota:
    """At most so many starts, tokens and US dollars of these harnesses within `window` seconds; `None`: no limit.

    Harnesses that it names (`account`) share an account: what keeps one of them from its model keeps all. One `of_all`
    also counts those that are no longer configured: to give a harness another name frees nothing.
    """

    name: str
    sessions: int | None
    window: float
    harnesses: tuple[str, ...] = ()
    tokens: int | None = None
    cost_usd: float | None = None
    account: bool = False
    of_all: bool = False

    def covers(self, harness: str) -> bool:
        """Tell whether it is about this harness."""
        return self.of_all or harness in self.harnesses

    def names(self, known: Iterable[str]) -> list[str]:
        """Return those of the known harnesses that it is about."""
        return [name for name in known if self.covers(name)]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and US dollars that were spent at about the same time; `at` is Unix seconds."""

    at: float
    tokens: int
    cost_usd: float


class Untold(NamedTuple):
    """A session that did not tell how many tokens it spent, or what they cost; `at` is Unix seconds."""

    at: float
    tokens: bool
    cost: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What was used of a quota within its window.

    `frees` is when (Unix seconds) it allows a start again, if it forbids one: once tokens or cost are used up, when a
    quarter is free. `overspent` says in words which of them are used up now; then living sessions have to end too.
    """

    sessions: int
    tokens: int
    cost_usd: float
    frees: float | None
    overspent: str = ""


class _Meters(NamedTuple):
    tokens: Meter
    cost: Meter


_NEVER = float("inf")


@dataclass(slots=True)
class Starts:
    """Instants (Unix seconds) of session starts per harness, and what its sessions spent, oldest first.

    `untold` has the ended sessions per harness that did not tell all of what they spent.
    """

    by_harness: dict[str, deque[float]] = field(default_factory=dict)
    spent: dict[str, deque[Spent]] = field(default_factory=dict)
    untold: dict[str, deque[Untold]] = field(default_factory=dict)
    _meters: dict[Quota, _Meters] = field(default_factory=dict)

    def add(self, harness: str, at: float) -> None:
        """Count a start."""
        self.by_harness.setdefault(harness, deque(maxlen=100_000)).append(at)

    def spend(self, harness: str, at: float, tokens: int, cost_usd: float) -> None:
        """Count what a session spent."""
        entries = self.spent.setdefault(harness, deque(maxlen=100_000))
        if entries and 0 <= at - entries[-1].at < _TOGETHER:
            last = entries[-1]
            entries[-1] = Spent(last.at, last.tokens + tokens, last.cost_usd + cost_usd)
        else:
            entries.append(Spent(at, tokens, cost_usd))
        for quota, meters in self._meters.items():
            if quota.covers(harness):
                meters.tokens.add(at, tokens)
                meters.cost.add(at, cost_usd)

    def told_nothing(self, harness: str, at: float, *, tokens: bool = True, cost: bool = True) -> None:
        """Count a session that did not tell how many tokens it spent, or what they cost."""
        self.untold.setdefault(harness, deque(maxlen=10_000)).append(Untold(at, tokens, cost))

    def precede(self, older: Starts) -> None:
        """Put what happened before all of this in front of it."""
        _put_before(self.by_harness, older.by_harness)
        _put_before(self.spent, older.spent)
        _put_before(self.untold, older.untold)
        self._meters.clear()

    def move(self, seconds: float) -> None:
        """Move all of it by the `seconds` (negative: back) that the clock was set."""
        for name, starts in self.by_harness.items():
            self.by_harness[name] = deque((at + seconds for at in starts), maxlen=starts.maxlen)
        for name, spent in self.spent.items():
            moved = (replace(entry, at=entry.at + seconds) for entry in spent)
            self.spent[name] = deque(moved, maxlen=spent.maxlen)
        for name, untold in self.untold.items():
            ends = (entry._replace(at=entry.at + seconds) for entry in untold)
            self.untold[name] = deque(ends, maxlen=untold.maxlen)
        self._meters.clear()

    def used(self, quota: Quota, now: float) -> Used:
        """Return what was used of a quota, and when it allows a start again if it is used up."""
        meters = self._metered(quota, now)
        tokens, cost = round(meters.tokens.total), meters.cost.total
        frees = [found for meter in meters if (found := meter.frees()) is not None]
        since = now - quota.window
        starts = [
            at
            for name in quota.names(self.by_harness)
            for at in takewhile(lambda at: at > since, reversed(self.by_harness[name]))
        ]
        if quota.sessions is not None and len(starts) >= quota.sessions:
            frees.append(sorted(starts)[len(starts) - quota.sessions] + quota.window)
        overspent = ""
        if quota.tokens is not None and meters.tokens.overspent():
            overspent = f"{tokens} of {quota.tokens} tokens"
        elif quota.cost_usd is not None and meters.cost.overspent():
            overspent = f"{cost:.2f} of {quota.cost_usd:.2f} USD"
        return Used(len(starts), tokens, cost, max(frees, default=None), overspent)

    def overspent(self, quota: Quota, now: float) -> bool:
        """Tell whether tokens or cost of a quota are used up now."""
        return any(meter.overspent() for meter in self._metered(quota, now))

    def untold_of(self, quota: Quota, now: float) -> int:
        """Return how many sessions within the window did not tell what the quota limits."""
        return sum(
            entry.at > now - quota.window
            and ((entry.tokens and quota.tokens is not None) or (entry.cost and quota.cost_usd is not None))
            for name in quota.names(self.untold)
            for entry in self.untold[name]
        )

    def exhausted(self, harness: str, quotas: Iterable[Quota], now: float) -> tuple[Quota, float] | None:
        """Return the first quota that forbids another start of `harness`, and when it allows one again."""
        for quota in quotas:
            if quota.covers(harness):
                used = self.used(quota, now)
                if used.frees is not None:
                    return quota, used.frees
        return None

    def _metered(self, quota: Quota, now: float) -> _Meters:
        """Return the meters of a quota, made from all that is known the first time."""
        meters = self._meters.get(quota)
        if meters is None:
            names = quota.names(self.spent)
            spent = sorted(
                (entry for name in names for entry in self.spent[name]), key=lambda entry: entry.at
            )
            tokens = metered(
                _NEVER if quota.tokens is None else quota.tokens,
                quota.window,
                ((entry.at, entry.tokens) for entry in spent),
            )
            cost = metered(
                _NEVER if quota.cost_usd is None else quota.cost_usd,
                quota.window,
                ((entry.at, entry.cost_usd) for entry in spent),
            )
            meters = self._meters[quota] = _Meters(tokens, cost)
        for meter in meters:
            meter.advance(now)
        return meters


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
