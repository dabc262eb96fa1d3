"""The report: both runs side by side, the verdict on Leasehold's, and the same as one JSON document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from supervisor.core.duration import format_duration
from supervisor.demo.account import Account
from supervisor.demo.play import Outcome
from supervisor.demo.record import Record

Cell = Callable[[Account], str]
Hurts = Callable[[Account], bool]


def _time(seconds: float) -> str:
    return format_duration(round(seconds, 1))


# What is counted, how it reads, and when it is a damage.
_ROWS: tuple[tuple[str, Cell, Hurts], ...] = (
    ("sessions started", lambda a: f"{a.sessions}", lambda a: a.sessions > a.tasks),
    ("tasks whose result is in the last commit", lambda a: f"{a.tasks_done} of {a.tasks}", lambda a: a.tasks_done < a.tasks),
    ("tasks done more than once", lambda a: f"{a.tasks_repeated}", lambda a: a.tasks_repeated > 0),
    ("sessions at the orphaned file", lambda a: f"{a.orphan_sessions}", lambda a: a.orphan_sessions != 1),
    ("commits", lambda a: f"{a.commits}", lambda _: False),
    ("commits undone by a later one", lambda a: f"{a.commits_clobbered}", lambda a: a.commits_clobbered > 0),
    ("commits with somebody else's changes", lambda a: f"{a.commits_foreign}", lambda a: a.commits_foreign > 0),
    ("updates lost", lambda a: f"{a.updates_lost} of {a.updates}", lambda a: a.updates_lost > 0),
    ("claims denied, gone ahead anyway", lambda a: f"{a.claims_ignored}", lambda a: a.claims_ignored > 0),
    ("leases denied, written anyway", lambda a: f"{a.leases_ignored}", lambda a: a.leases_ignored > 0),
    ("commits refused, nothing changed", lambda a: f"{a.commits_refused}", lambda _: False),
    ("files left uncommitted", lambda a: f"{a.uncommitted}", lambda a: a.uncommitted > 0),
    ("session time", lambda a: _time(a.session_time), lambda _: False),
    ("  for work that was done already", lambda a: _time(a.repeated), lambda a: a.repeated > 0),
    ("  for work that was lost", lambda a: _time(a.lost), lambda a: a.lost > 0),
    ("  waiting for files or for git", lambda a: _time(a.waited), lambda _: False),
    ("session time wasted", lambda a: f"{_time(a.wasted)} ({a.wasted_share:.0%})", lambda a: a.repeated + a.lost > 0),
    ("time in all", lambda a: _time(a.elapsed), lambda _: False),
)  # fmt: skip


def contradictions(run: Account, record: Record) -> list[str]:
    """Return in words where the journal and the sessions' own logs disagree, or the journal saw a race."""
    found = []
    if record.sessions != run.sessions:
        found.append(f"the journal has {record.sessions} sessions, the logs have {run.sessions}")
    if record.commits_refused != run.commits_refused:
        found.append(
            f"the journal has {record.commits_refused} refused commits, the logs have {run.commits_refused}"
        )
    if record.tasks_shared:
        found.append(f"tasks with two sessions at one time: {record.tasks_shared}")
    return found


def faults(run: Account) -> list[str]:
    """Return in words what a run got wrong; nothing when each task was done once and nothing was lost."""
    found = [f"the run was not whole: {run.cut_short}"] if run.cut_short else []
    checks = (
        (run.tasks - run.tasks_done, "tasks not done"),
        (run.tasks_repeated, "tasks done more than once"),
        (run.updates_lost, "updates lost"),
        (run.commits_clobbered, "commits undone by a later one"),
        (run.commits_foreign, "commits with somebody else's changes"),
        (run.uncommitted, "files left uncommitted"),
        (max(0, run.orphan_sessions - 1), "sessions too many at the orphaned file"),
    )
    return found + [f"{what}: {count}" for count, what in checks if count]


def verdict(outcome: Outcome) -> list[str]:
    """Return what was wrong under Leasehold, by either witness; nothing is success."""
    return faults(outcome.leasehold) + contradictions(outcome.leasehold, outcome.record)


def table(outcome: Outcome) -> RenderableType:
    """Return both runs side by side, with the verdict under them."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("the same repository, backlog and agent")
    grid.add_column("advisory", justify="right")
    grid.add_column("Leasehold", justify="right")
    for name, cell, hurts in _ROWS:
        runs = (outcome.advisory, outcome.leasehold)
        grid.add_row(name, *(Text(cell(run), "bold red" if hurts(run) else "") for run in runs))
    return Group(grid, *_sentences(outcome))


def document(outcome: Outcome, *, slots: int, pace: float, kept: str | None) -> dict[str, Any]:
    """Return the report as a program reads it."""
    wrong = verdict(outcome)
    return {
        "slots": slots,
        "pace": pace,
        "advisory": _figures(outcome.advisory),
        "leasehold": _figures(outcome.leasehold),
        "journal": asdict(outcome.record),
        "ok": not wrong,
        "faults": wrong,
        "kept": kept,
    }


def _figures(run: Account) -> dict[str, Any]:
    rounded = {
        name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(run).items()
    }
    return {**rounded, "wasted": round(run.wasted, 3), "wasted_share": round(run.wasted_share, 3)}


def _sentences(outcome: Outcome) -> list[Text]:
    lines = []
    if outcome.advisory.cut_short:
        lines.append(Text(f"Advisory: {outcome.advisory.cut_short}.", "yellow"))
    if not faults(outcome.advisory):
        lines.append(Text("Advisory: nothing was lost or done twice this time.", "yellow"))
    wrong = verdict(outcome)
    if wrong:
        return [*lines, Text(f"Leasehold: {'; '.join(wrong)}.", "bold red")]
    told = f"Leasehold: {outcome.leasehold.tasks} tasks, each done once, by one session; no update lost"
    return [*lines, Text(f"{told}.", "bold green")]
