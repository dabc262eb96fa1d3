"""The backlog: what all sources offer, merged by key, ranked, with what keeps each task from running.

A change of one source touches only the entries that changed; nothing here reads a source.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from supervisor.core.leases.lease import Want
from supervisor.core.tasks.dependencies import find_cycles
from supervisor.core.tasks.standing import Assigned, Cancelled, Cooling, Done, Ready, Track
from supervisor.core.tasks.task import Problem, Stage, Task, Tier

Rank = tuple[int, int, float, str]  # tier, minus priority, age, key: sorts first what runs first


@dataclass(frozen=True, slots=True)
class Work:
    """A task together with the leases that it needs to start."""

    task: Task
    wants: tuple[Want, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """One source's reading: its work, what it had to refuse, and when it was read (Unix seconds)."""

    source: str
    works: tuple[Work, ...] = ()
    problems: tuple[Problem, ...] = ()
    read_at: float = 0.0


@dataclass(slots=True)
class _Shelf:
    """What one source offers now."""

    works: dict[str, Work] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    read_at: float = 0.0


class Backlog:
    """All tasks by key; `sources` lists their names in the order in which a shared key is decided."""

    def __init__(self, sources: Sequence[str] = (), tracks: dict[str, Track] | None = None) -> None:
        self._order = list(sources)
        self._shelves: dict[str, _Shelf] = {}
        self._works: dict[str, Work] = {}
        self._tracks: dict[str, Track] = dict(tracks or {})
        self._dependents: dict[str, set[str]] = {}
        self._cycles: dict[str, tuple[str, ...]] = {}
        self._ranked: list[Rank] = []
        self._rank_of: dict[str, Rank] = {}
        self._cooling: dict[str, float] = {}
        for key, track in self._tracks.items():
            self._note_cooling(key, track)

    def __len__(self) -> int:
        return len(self._works)

    def __contains__(self, key: str) -> bool:
        return key in self._works

    def work(self, key: str) -> Work | None:
        """Return the work of that key as its first source defines it, or `None`."""
        return self._works.get(key)

    def works(self) -> Iterable[Work]:
        """Return all work, in no particular order."""
        return self._works.values()

    def track(self, key: str) -> Track:
        """Return the record of that key; an unknown key has a fresh one."""
        return self._tracks.get(key, _FRESH)

    def tracks(self) -> Iterable[tuple[str, Track]]:
        """Return every record, those of tasks that no source offers any more included."""
        return self._tracks.items()

    def read_at(self, key: str) -> float:
        """Return when the source of that key was last read (Unix seconds)."""
        work = self._works[key]
        return self._shelves[work.task.source].read_at

    def ranked(self) -> Iterator[Work]:
        """Yield the tasks that may run as far as they themselves are concerned, first choice first."""
        works = self._works
        for _, _, _, key in self._ranked:
            yield works[key]

    def rank(self, key: str) -> Rank:
        """Return the sort key of a task, whether or not it is in the ranking now."""
        task, track = self._works[key].task, self.track(key)
        priority = task.priority if track.priority is None else track.priority
        return (self.tier(key), -priority, task.created, key)

    def tier(self, key: str) -> Tier:
        """Return the rung of the cascade the task stands on now."""
        task, track = self._works[key].task, self.track(key)
        if task.stage is Stage.ACTIVE or track.interrupted():
            return Tier.UNDER_WAY
        return task.tier

    def problems(self) -> tuple[Problem, ...]:
        """Return every entry that could not be used, duplicate keys and dependency cycles included."""
        found = [p for shelf in self._shelves.values() for p in shelf.problems]
        found += self._duplicates()
        for cycle in sorted(set(self._cycles.values())):
            task = self._works[cycle[0]].task
            found.append(
                Problem(
                    task.source,
                    task.origin or task.key,
                    f"dependency cycle {' -> '.join((*cycle, cycle[0]))}",
                    "remove one of these `requires`",
                )
            )
        return tuple(found)

    def offer(self, offer: Offer) -> tuple[str, ...]:
        """Take the reading of one source in place of its last; return the keys that changed."""
        if offer.source not in self._order:
            self._order.append(offer.source)
        shelf = self._shelves.setdefault(offer.source, _Shelf())
        fresh: dict[str, Work] = {}
        for work in offer.works:
            fresh.setdefault(work.task.key, work)
        changed = [
            key for key in fresh.keys() | shelf.works.keys() if fresh.get(key) is not shelf.works.get(key)
        ]
        changed = [key for key in changed if fresh.get(key) != shelf.works.get(key)]
        shelf.works, shelf.problems, shelf.read_at = fresh, offer.problems, offer.read_at
        self._adopt(changed)
        return tuple(sorted(changed))

    def confirm(self, source: str, at: float) -> bool:
        """Note that what this source offers still stands at `at` (Unix seconds); tell if it offers any."""
        shelf = self._shelves.get(source)
        if shelf is None:
            return False
        shelf.read_at = max(shelf.read_at, at)
        return bool(shelf.works)

    def withdraw(self, source: str) -> None:
        """Forget a source that is no longer configured."""
        shelf = self._shelves.pop(source, None)
        if source in self._order:
            self._order.remove(source)
        self._adopt(list(shelf.works) if shelf else [])

    def put(self, key: str, track: Track) -> None:
        """Set the record of a task; its dependents are looked at again."""
        self._tracks[key] = track
        self._note_cooling(key, track)
        self._refresh(key)
        for dependent in self._dependents.get(key, ()):
            self._refresh(dependent)

    def cooling(self) -> Iterable[tuple[str, float]]:
        """Return the tasks that back off, each with the end of it (Unix seconds)."""
        return self._cooling.items()

    def blockers(self, key: str) -> tuple[str, ...]:
        """Return in words what the task waits for before it may be ranked; empty when nothing."""
        if key in self._cycles:
            cycle = self._cycles[key]
            return (f"dependency cycle {' -> '.join((*cycle, cycle[0]))}",)
        return tuple(
            why for required in self._works[key].task.requires if (why := self._unmet(required)) is not None
        )

    def closed(self, key: str) -> bool:
        """Tell whether the task is over: done or cancelled here, or closed at its source."""
        work = self._works.get(key)
        standing = self.track(key).standing
        return isinstance(standing, Done | Cancelled) or (
            work is not None and work.task.stage is Stage.CLOSED and not isinstance(standing, Assigned)
        )

    def _note_cooling(self, key: str, track: Track) -> None:
        if isinstance(track.standing, Cooling):
            self._cooling[key] = track.standing.until
        else:
            self._cooling.pop(key, None)

    def _unmet(self, required: str) -> str | None:
        work, standing = self._works.get(required), self.track(required).standing
        if isinstance(standing, Done) or (work is not None and work.task.stage is Stage.CLOSED):
            return None
        if isinstance(standing, Cancelled):
            return f'requires "{required}", which was cancelled'
        if work is None:
            return f'requires "{required}", which no source offers'
        return f'requires "{required}", which is not done'

    def _adopt(self, changed: list[str]) -> None:
        """Bring the merged view up to date for the keys that changed in some source."""
        requires_changed = False
        for key in changed:
            old, new = self._works.get(key), self._first_offer(key)
            if new is None:
                self._works.pop(key, None)
            else:
                self._works[key] = new
            before = old.task.requires if old else ()
            after = new.task.requires if new else ()
            if before != after or ((old is None) != (new is None) and key in self._dependents):
                requires_changed = True
            for required in before:
                self._dependents.get(required, set()).discard(key)
            for required in after:
                self._dependents.setdefault(required, set()).add(key)
        touched = set(changed)
        for key in changed:
            touched |= self._dependents.get(key, set())
        if requires_changed:
            cycles = find_cycles({k: w.task.requires for k, w in self._works.items() if w.task.requires})
            touched |= cycles.keys() | self._cycles.keys()
            self._cycles = cycles
        for key in touched:
            self._refresh(key)

    def _first_offer(self, key: str) -> Work | None:
        for source in self._order:
            shelf = self._shelves.get(source)
            if shelf is not None and key in shelf.works:
                return shelf.works[key]
        return None

    def _duplicates(self) -> list[Problem]:
        found = []
        for source, shelf in self._shelves.items():
            for key, work in shelf.works.items():
                first = self._works[key].task
                if first.source != source:
                    found.append(
                        Problem(
                            source,
                            work.task.origin or key,
                            f'key "{key}" is already offered by {first.origin or first.source}, which is used',
                            "give it another key if it is other work",
                        )
                    )
        return found

    def _refresh(self, key: str) -> None:
        """Put the key into the ranking, move it, or take it out."""
        old = self._rank_of.pop(key, None)
        new = self.rank(key) if self._may_rank(key) else None
        if old != new:
            if old is not None:
                del self._ranked[bisect_left(self._ranked, old)]
            if new is not None:
                insort(self._ranked, new)
        if new is not None:
            self._rank_of[key] = new

    def _may_rank(self, key: str) -> bool:
        work = self._works.get(key)
        return (
            work is not None
            and work.task.stage in (Stage.OPEN, Stage.ACTIVE)
            and isinstance(self.track(key).standing, Ready)
            and key not in self._cycles
            and all(self._unmet(required) is None for required in work.task.requires)
        )


_FRESH = Track()
