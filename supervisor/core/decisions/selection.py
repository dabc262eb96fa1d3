"""Central selection: one cascade over the ranked backlog, and a recorded reason for each task passed over."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from supervisor.core.decisions import choosing, resting
from supervisor.core.decisions.choosing import Choice
from supervisor.core.decisions.holders import ORPHANS, describe
from supervisor.core.decisions.policy import Choose
from supervisor.core.decisions.tables import Tables
from supervisor.core.duration import format_duration
from supervisor.core.history import plateau
from supervisor.core.leases.lease import Conflict, Lease
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.standing import Assigned, Cancelled, Cooling, Done, Held, Parked, Ready
from supervisor.core.tasks.task import Stage


class Reason(enum.Enum):
    """Why a task does not run now."""

    CLAIMED = "claimed"
    BLOCKED = "blocked"
    WAITING = "waiting"  # its source says so
    HELD = "held"
    PARKED = "parked"
    COOLING = "cooling"
    OVER = "over"
    LEASED = "leased"  # another session holds part of its scope
    RECENT_COMMIT = "recent_commit"
    NO_HARNESS = "no_harness"
    HARNESS_FULL = "harness_full"
    QUOTA = "quota"
    LANE_PAUSED = "lane_paused"


class Skip(NamedTuple):
    """A task passed over: why, until when (Unix seconds) if that is known, and what keeps it.

    A named tuple, because one is made for each of thousands of tasks at a decision.
    """

    key: str
    title: str
    reason: Reason
    sentence: str
    until: float | None = None
    holder: str | None = None  # session

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set, by name."""
        data: dict[str, Any] = {
            "id": self.key,
            "title": self.title,
            "reason": self.reason.value,
            "sentence": self.sentence,
        }
        data.update({k: v for k in ("until", "holder") if (v := getattr(self, k)) is not None})
        return data


@dataclass(frozen=True, slots=True)
class Fit:
    """A task that may run now, the harness that would run it, and why this one where that was chosen by draws."""

    work: Work
    harness: str
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What would run next, what was passed over before it, and the warning that goes with it."""

    chosen: Fit | None
    skipped: tuple[Skip, ...] = ()
    plateau: plateau.Plateau | None = None
    reread: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Pass:
    """What one walk over the backlog finds out once: harnesses with room, lanes that flow."""

    tables: Tables
    now: Moment
    harness_of: dict[str | None, tuple[str, ...] | Skip] = field(default_factory=dict)
    lane_of: dict[str, flow.MustWait | None] = field(default_factory=dict)
    reread: set[str] = field(default_factory=set)
    conflicts: dict[int, Conflict | None] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)  # by token: many tasks wait for one lease


Accepts = Callable[[Work], bool]


def decide(tables: Tables, now: Moment, *, harness: str = "", accepts: Accepts | None = None) -> Decision:
    """Return the first task that may run now. `accepts` narrows the candidates, `harness` sets theirs."""
    walk = _Pass(tables, now)
    skipped: list[Skip] = []
    chosen: Fit | None = None
    for work in tables.backlog.ranked():
        if accepts is not None and not accepts(work):
            continue
        known = tables.conflict_of.get(work.task.key)
        if known is not None and known[0] is work.wants and tables.broker.lease(known[1].token) is not None:
            skipped.append(_leased(walk, work, known[1]))
            continue
        found = _check_ranked(walk, work, harness)
        if isinstance(found, Fit):
            chosen = found
            break
        skipped.append(found)
    return Decision(chosen, tuple(skipped), plateau_warning(tables), frozenset(walk.reread))


def explain(tables: Tables, work: Work, now: Moment, *, harness: str = "") -> Fit | Skip:
    """Return whether this one task may run now, and if not, the first thing in its way."""
    if (standing := _not_ranked(tables, work, now)) is not None:
        return standing
    return _check_ranked(_Pass(tables, now), work, harness)


def unranked(tables: Tables, now: Moment) -> dict[str, int]:
    """Return how many tasks that are not over are kept out of the ranking, by reason."""
    found: dict[str, int] = {}
    for work in tables.backlog.works():
        skip = _not_ranked(tables, work, now)
        if skip is not None and skip.reason is not Reason.OVER:
            found[skip.reason.value] = found.get(skip.reason.value, 0) + 1
    return found


def plateau_warning(tables: Tables) -> plateau.Plateau | None:
    """Return the plateau warning that recent assignments deserve now."""
    selection = tables.policy.selection
    return plateau.warning(
        tuple(tables.lanes), _ready(tables), selection.plateau_share, selection.plateau_min
    )


def _ready(tables: Tables) -> Iterator[tuple[str, str, str]]:
    ranked = islice(tables.backlog.ranked(), 1000)  # an alternative beyond the first thousand is none
    return ((work.task.key, work.task.title, work.task.lane) for work in ranked)


def _not_ranked(tables: Tables, work: Work, now: Moment) -> Skip | None:
    """Return why the task is not in the ranking at all."""
    task, backlog = work.task, tables.backlog

    def skip(reason: Reason, sentence: str, until: float | None = None, holder: str | None = None) -> Skip:
        return Skip(task.key, task.title, reason, sentence, until, holder)

    match backlog.track(task.key).standing:
        case Assigned(session):
            return skip(Reason.CLAIMED, f"session {session} has it", holder=session)
        case Held(by, why, _):
            return skip(
                Reason.HELD,
                f"held by {by}{_because(why)}; `leasehold task release {task.key}` lets it run",
            )
        case Parked(why, _):
            return skip(Reason.PARKED, why)
        case Cooling(until, why):
            left = format_duration(max(0.0, until - now.wall))
            return skip(Reason.COOLING, f"backs off for {left} more after: {why}", until)
        case Done(session, _):
            return skip(Reason.OVER, f"done by session {session}")
        case Cancelled(by, _):
            return skip(Reason.OVER, f"cancelled by {by}")
        case Ready():
            pass
    if task.stage is Stage.CLOSED:
        return skip(Reason.OVER, f"its source {task.source} says that it is closed")
    if task.stage is Stage.WAITING:
        return skip(Reason.WAITING, f"its source {task.source} says that it waits")
    if blockers := backlog.blockers(task.key):
        return skip(Reason.BLOCKED, "; ".join(blockers))
    return None


def _check_ranked(walk: _Pass, work: Work, harness: str) -> Fit | Skip:
    tables, task = walk.tables, work.task
    conflict = _conflict(walk, work)
    if conflict is not None:
        if isinstance(conflict, Lease):
            tables.conflict_of[task.key] = (work.wants, conflict)
        return _leased(walk, work, conflict)
    runs_on = _harness(walk, harness or task.harness)
    if isinstance(runs_on, Skip):
        return Skip(task.key, task.title, runs_on.reason, runs_on.sentence, runs_on.until)
    if (paused := _lane(walk, task.lane)) is not None:
        return Skip(task.key, task.title, Reason.LANE_PAUSED, paused.why, paused.until)
    if (recent := _recent(walk, work)) is not None:
        return recent
    tables.conflict_of.pop(task.key, None)
    if tables.policy.selection.choose is Choose.ORDER or len(runs_on) == 1:
        return Fit(work, runs_on[0])
    choice = choosing.choose(tables, task, runs_on)
    return Fit(work, choice.harness, choice)


def _conflict(walk: _Pass, work: Work) -> Conflict | None:
    """Ask the broker once for each set of wants: tasks over the same paths share the very same tuple."""
    number = id(work.wants)
    if number not in walk.conflicts:
        walk.conflicts[number] = walk.tables.broker.first_conflict("", work.wants)
    return walk.conflicts[number]


def _leased(walk: _Pass, work: Work, conflict: Conflict) -> Skip:
    number = conflict.token if isinstance(conflict, Lease) else -conflict.waiter
    sentence = walk.told.get(number)
    if sentence is None:
        sentence = walk.told[number] = _kept_back_by(walk, conflict)
    return Skip(work.task.key, work.task.title, Reason.LEASED, sentence, None, conflict.holder)


def _kept_back_by(walk: _Pass, conflict: Conflict) -> str:
    if conflict.holder == ORPHANS:
        return f"{conflict.scope.text} has uncommitted changes that belong to no session; commit them first"
    return f"{conflict.scope.text} is {describe(walk.tables, conflict, walk.now)}"


def _recent(walk: _Pass, work: Work) -> Skip | None:
    """Hold a task back whose scope another session's commit touched after the task was last read.

    The commit may have done the task, or changed it: its source is read again, and if the task is
    still open then, it runs and is told of the commit.
    """
    tables, task = walk.tables, work.task
    if not task.repo:
        return None
    read_at = tables.backlog.read_at(task.key)
    if tables.recent.newest(task.repo) <= read_at:
        return None
    touches = tables.recent.inside(task.repo, work.wants, walk.now.wall)
    touch = next((t for t in reversed(touches) if t.at > read_at and t.task != task.key), None)
    if touch is None:
        return None
    walk.reread.add(task.source)
    who = f"session {touch.session}" if touch.session else "somebody"
    age = format_duration(max(0.0, walk.now.wall - touch.at))
    return Skip(
        task.key,
        task.title,
        Reason.RECENT_COMMIT,
        f"{who} committed to its scope {age} ago ({touch.subject or touch.sha[:10]}); it is being re-checked",
    )


def _harness(walk: _Pass, name: str | None) -> tuple[str, ...] | Skip:
    if name not in walk.harness_of:
        walk.harness_of[name] = _find_harness(walk, name)
    return walk.harness_of[name]


def _find_harness(walk: _Pass, name: str | None) -> tuple[str, ...] | Skip:
    """Return the harnesses that have room now, in the order of the configuration."""
    harnesses = walk.tables.policy.harnesses
    if name is not None and name not in harnesses:
        known = ", ".join(harnesses) or "none"
        return Skip("", "", Reason.NO_HARNESS, f'no harness "{name}" is configured (there are: {known})')
    if not harnesses:
        return Skip("", "", Reason.NO_HARNESS, "no harness is configured; add a [harness.NAME] section")
    candidates = harnesses if name is None else (name,)
    full = {candidate: harness_full(walk.tables, candidate, walk.now) for candidate in candidates}
    if free := tuple(candidate for candidate, skip in full.items() if skip is None):
        return free
    skips = [skip for skip in full.values() if skip is not None]
    return min(skips, key=_how_soon)


def _how_soon(skip: Skip) -> tuple[bool, float]:
    """Order what keeps harnesses from taking a session: one that is merely full has room first."""
    return skip.reason is not Reason.HARNESS_FULL, math.inf if skip.until is None else skip.until


def harness_full(tables: Tables, name: str, now: Moment) -> Skip | None:
    """Return why this harness takes no further session now."""
    harness = tables.policy.harnesses[name]
    running = sum(session.intent.harness == name for session in tables.roster)
    if harness.max_sessions is not None and running >= harness.max_sessions:
        return Skip("", "", Reason.HARNESS_FULL, f"harness {name} runs {running} sessions, as many as it may")
    if (rest := resting.takes_none(tables, name, now.wall)) is not None:
        reason = Reason.NO_HARNESS if rest.until is None else Reason.QUOTA
        # a canary is waited for until it is answered
        until = None if rest.over(now.wall) or resting.given_up(tables, rest) else rest.until
        return Skip("", "", reason, resting.sentence(tables, name, rest, now.wall), until)
    exhausted = tables.starts.exhausted(name, tables.policy.quotas, now.wall)
    if exhausted is not None:
        quota, until = exhausted
        left = format_duration(until - now.wall)
        return Skip("", "", Reason.QUOTA, f"quota {quota.name} is used up; free in {left}", until)
    return None


def _lane(walk: _Pass, lane: str) -> flow.MustWait | None:
    if lane not in walk.lane_of:
        state = walk.tables.lane_state.get(lane)
        walk.lane_of[lane] = flow.admit(lane, state, walk.now.wall) if state else None
    return walk.lane_of[lane]


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def counts(skipped: Iterable[Skip]) -> dict[str, int]:
    """Return how many tasks were passed over for each reason."""
    found: dict[str, int] = {}
    for skip in skipped:
        found[skip.reason.value] = found.get(skip.reason.value, 0) + 1
    return found
