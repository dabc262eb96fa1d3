"""The account of a run: every figure from its commits, its final files and the sessions' own logs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.demo.history import Change, History
from supervisor.demo.story import CHORES, HAND_OFF, ORPHAN_RESULT, work_of

Result = tuple[tuple[str, str], ...]
RESULTS: dict[str, Result] = {chore.key: chore.result for chore in CHORES} | {HAND_OFF: ORPHAN_RESULT}


@dataclass(frozen=True, slots=True)
class SessionLog:
    """One session as it told itself; times are Unix seconds."""

    id: str
    task: str
    events: tuple[Mapping[str, Any], ...]

    @property
    def work(self) -> str:
        """The task, under the name that hand-offs have in both runs."""
        return work_of(self.task)

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return float(self.events[-1]["at"] - self.events[0]["at"])

    @property
    def done(self) -> bool:
        """Whether it ended believing that its task is done."""
        return bool(self.events[-1].get("done", False))

    def count(self, kind: str) -> int:
        """Return how many of its events are of a kind."""
        return sum(event["kind"] == kind for event in self.events)

    def waited(self) -> float:
        """Return the seconds it spent waiting for files, for git, or for tests to pass again."""
        return sum(float(event["seconds"]) for event in self.events if event["kind"] == "waited")

    def wrote(self) -> frozenset[tuple[str, str]]:
        """Return the updates that it wrote, as (path, line); a file of its own has an empty line."""
        return frozenset(
            (str(event["path"]), str(event["line"])) for event in self.events if event["kind"] == "wrote"
        )


@dataclass(frozen=True, slots=True)
class Account:
    """The figures of one run. Times are in seconds, summed over sessions except `elapsed`.

    `tasks_repeated` counts tasks that more than one session worked through to the end, `updates` the
    distinct lines and files that sessions wrote. `repeated` is the time of sessions whose task another
    had done before them, `lost` that of those which gave up or whose result is not in the last commit,
    and `waited` what the others spent waiting.
    """

    sessions: int
    tasks: int
    tasks_done: int
    tasks_repeated: int
    orphan_sessions: int
    commits: int
    commits_clobbered: int
    commits_foreign: int
    updates: int
    updates_lost: int
    claims_ignored: int
    leases_ignored: int
    lease_waits: int
    commits_refused: int
    uncommitted: int
    session_time: float
    repeated: float
    lost: float
    waited: float
    elapsed: float
    cut_short: str

    @property
    def wasted(self) -> float:
        """The session time that came to nothing, in seconds."""
        return self.repeated + self.lost + self.waited

    @property
    def wasted_share(self) -> float:
        """The same as a share of all session time."""
        return self.wasted / self.session_time if self.session_time else 0.0


def read_logs(folder: Path) -> list[SessionLog]:
    """Return every session's log, in the order of their endings."""
    logs = []
    for path in folder.glob("*.jsonl"):
        events = tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        if events:
            logs.append(SessionLog(events[0]["session"], events[0]["task"], events))
    return sorted(logs, key=lambda log: float(log.events[-1]["at"]))


def account(logs: list[SessionLog], history: History, elapsed: float, cut_short: str = "") -> Account:
    """Return the figures of a run that took `elapsed` seconds."""
    updates = frozenset().union(*(log.wrote() for log in logs))
    done = {work for work, result in RESULTS.items() if all(history.has(*part) for part in result)}
    finished = Counter(log.work for log in logs if log.done)
    repeated, lost, waited = _wasted(logs, done)
    return Account(
        sessions=len(logs),
        tasks=len(RESULTS),
        tasks_done=len(done),
        tasks_repeated=sum(count > 1 for count in finished.values()),
        orphan_sessions=sum(log.work == HAND_OFF for log in logs),
        commits=len(history.changes),
        commits_clobbered=len(_clobbered(history.changes, updates)),
        commits_foreign=len(_foreign(history.changes, logs)),
        updates=len(updates),
        updates_lost=sum(not history.has(*update) for update in updates),
        claims_ignored=_total(logs, "claim_denied"),
        leases_ignored=_total(logs, "anyway"),
        lease_waits=_total(logs, "waits"),
        commits_refused=_total(logs, "refused"),
        uncommitted=len(history.uncommitted),
        session_time=sum(log.seconds for log in logs),
        repeated=repeated,
        lost=lost,
        waited=waited,
        elapsed=elapsed,
        cut_short=cut_short,
    )


def _total(logs: Iterable[SessionLog], kind: str) -> int:
    return sum(log.count(kind) for log in logs)


def _wasted(logs: list[SessionLog], done: set[str]) -> tuple[float, float, float]:
    """Return the time of sessions that repeated work, of those whose work is lost, and the others' waits."""
    repeated = lost = waited = 0.0
    first: set[str] = set()
    for log in logs:
        if not log.done or log.work not in done:
            lost += log.seconds
        elif log.work in first:
            repeated += log.seconds
        else:
            first.add(log.work)
            waited += log.waited()
    return repeated, lost, waited


def _clobbered(changes: tuple[Change, ...], updates: frozenset[tuple[str, str]]) -> set[str]:
    """Return the commits from which another session's later commit took an update out again."""
    found = set()
    for place, change in enumerate(changes):
        for later in changes[place + 1 :]:
            if later.session != change.session and change.added & later.removed & updates:
                found.add(change.sha)
    return found


def _foreign(changes: tuple[Change, ...], logs: list[SessionLog]) -> set[str]:
    """Return the commits that carry a file, or an update, which their own session did not write."""
    wrote = {log.id: set(log.wrote()) for log in logs}
    for log in logs:
        if log.work == HAND_OFF:  # the work that it was handed is its own
            wrote[log.id] |= set(ORPHAN_RESULT)
    known = frozenset().union(*wrote.values(), ORPHAN_RESULT)
    found = set()
    for change in changes:
        own = wrote.get(change.session, set())
        if change.paths - {path for path, _ in own} or (change.added & known) - own:
            found.add(change.sha)
    return found
