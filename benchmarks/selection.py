"""Selection over a large backlog: a decision when almost nothing may run, and the cost of one more event."""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from typing import Any

from supervisor.core.decisions.assign import assign, fill
from supervisor.core.decisions.policy import Harness, Policy, Repo
from supervisor.core.decisions.selection import decide
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Want
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.moment import Moment
from supervisor.core.sessions.budget import Budget
from supervisor.core.tasks.backlog import Backlog, Offer, Work
from supervisor.core.tasks.task import Task

NOW = Moment(1000.0, 1_700_000_000.0)
TASKS, SESSIONS = 10_000, 50


def house(slots: int) -> Tables:
    tokens = Tokens()
    tokens.reserve(10_000_000)
    numbers = itertools.count(1)

    def mint() -> tuple[str, str]:
        number = next(numbers)
        return f"s{number}", f"secret-{number}"

    return Tables(
        policy=Policy(
            max_sessions=slots,
            harnesses={"sh": Harness("sh", Budget(3000.0, 300.0, 10.0))},
            repos={"repo": Repo("repo")},
        ),
        broker=Broker(tokens),
        backlog=Backlog(["md"]),
        mint=mint,
        recent=Recent(600.0),
    )


def backlog(tasks: int, areas: int, *, distinct: bool = False) -> tuple[Work, ...]:
    """Make tasks over `areas` directories; `distinct` gives each a file of its own in its directory."""
    made = []
    shared: dict[str, tuple[Want, ...]] = {}
    for n in range(tasks):
        path = f"area{n % areas}/" + (f"file{n}.py" if distinct and n >= areas else "")
        task = Task(
            f"t{n:05}", f"Task {n}", "md", repo="repo", lane=f"lane{n % 7}", priority=n % 5, paths=(path,)
        )
        if path not in shared:  # as the supervisor does when it resolves paths
            shared[path] = tuple(Want(scope) for scope in parse_scopes(path, "repo"))
        made.append(Work(task, shared[path]))
    return tuple(made)


def milliseconds(action: Any, times: int = 15) -> tuple[float, float, float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        took.append((time.perf_counter() - began) * 1000)
    return min(took), statistics.median(took), max(took)


def run() -> dict[str, Any]:
    """Measure; every figure is (min, median, max) in milliseconds."""
    tables = house(SESSIONS)
    works = backlog(TASKS, SESSIONS)
    began = time.perf_counter()
    tables.backlog.offer(Offer("md", works, (), NOW.wall))
    first_offer = (time.perf_counter() - began) * 1000
    fill(tables, NOW)
    assert len(tables.roster) == SESSIONS

    def cold() -> None:
        tables.conflict_of.clear()
        assert decide(tables, NOW).chosen is None

    found: dict[str, Any] = {
        "tasks": TASKS,
        "sessions": SESSIONS,
        "first_reading_ms": round(first_offer, 2),
        "all_kept_back_cold_ms": milliseconds(cold),
        "all_kept_back_ms": milliseconds(lambda: decide(tables, NOW)),
        "unchanged_reading_ms": milliseconds(lambda: tables.backlog.offer(Offer("md", works, (), NOW.wall))),
    }
    apart = house(SESSIONS)
    apart.backlog.offer(Offer("md", backlog(TASKS, SESSIONS, distinct=True), (), NOW.wall))
    fill(apart, NOW)

    def cold_apart() -> None:
        apart.conflict_of.clear()
        assert decide(apart, NOW).chosen is None

    found["all_kept_back_cold_distinct_ms"] = milliseconds(cold_apart)
    found["all_kept_back_distinct_ms"] = milliseconds(lambda: decide(apart, NOW))
    changed = list(works)

    def one_changed() -> None:
        old = changed[5]
        changed[5] = Work(
            old.task.__class__(**{**_fields(old.task), "priority": old.task.priority + 1}), old.wants
        )
        tables.backlog.offer(Offer("md", tuple(changed), (), NOW.wall))

    found["one_task_changed_ms"] = milliseconds(one_changed)
    free = house(1)
    free.backlog.offer(Offer("md", works, (), NOW.wall))
    fit = decide(free, NOW).chosen
    assert fit is not None
    began_cpu = time.process_time()
    assign(free, fit, NOW)
    found["assign_cpu_ms"] = round((time.process_time() - began_cpu) * 1000, 3)
    return found


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.__dataclass_fields__}


def main() -> int:
    found = run()
    for name, value in found.items():
        shown = " / ".join(f"{v:.2f}" for v in value) if isinstance(value, tuple) else value
        print(f"{name:<28} {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
