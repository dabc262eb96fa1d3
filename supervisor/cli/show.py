"""Printing: one JSON document with --json, otherwise tables and sentences for people."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from supervisor.core.duration import format_duration

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add `--json` to a verb."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def print_json(document: object) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(document, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str, *, optional: Sequence[str] = ()
) -> None:
    """Print rows under headings, or the sentence `empty`; long cells wrap on a terminal.

    Columns that are `optional` are left out where no row has anything in them: terminals are narrow.
    """
    if not rows:
        click.echo(empty)
        return
    shown = [
        number
        for number, column in enumerate(columns)
        if column not in optional or any(row[number] not in (None, "") for row in rows)
    ]
    columns = [columns[number] for number in shown]
    rows = [[row[number] for number in shown] for row in rows]
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(cell(value) for value in row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(grid)


def with_repo(
    columns: Sequence[str], rows: Sequence[Sequence[object]], repos: Sequence[str | None]
) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    """Return a table with a last column for the repository, where the rows are of more than one."""
    if len(set(repos)) < 2:
        return columns, rows
    return (*columns, "repo"), [(*row, repo) for row, repo in zip(rows, repos, strict=True)]


def cell(value: object) -> str:
    """Return a value as text that the table does not take for markup."""
    from rich.markup import escape

    return escape("" if value is None else str(value))


def ago(at: float | None) -> str:
    """Return how long ago a Unix time was."""
    return "" if at is None else f"{format_duration(max(0.0, time.time() - at))} ago"


def clock(at: float) -> str:
    """Return a Unix time as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def collisions(account: Mapping[str, float]) -> str:
    """Return the collision account in words: what is zero is left out, a time is a time."""
    told = [
        f"{span(value)} waited" if name == "waited_seconds" else f"{value:g} {_counted(name, value)}"
        for name, value in account.items()
        if value
    ]
    return ", ".join(told) or "none"


def _counted(name: str, count: float) -> str:
    """Return the name of a count in words; of one thing in the singular."""
    thing, _, what = name.partition("_")
    return f"{thing.removesuffix('s') if count == 1 else thing} {what.replace('_', ' ')}"


def used(tokens: int | None, cost_usd: float | None) -> str:
    """Return tokens and cost in short; what was not told is left out."""
    parts = [] if tokens is None else [f"{_short(tokens)} tokens"]
    if cost_usd is not None:
        parts.append(f"{cost_usd:.2f} USD")
    return ", ".join(parts)


def _short(count: int) -> str:
    if count >= 10_000_000:
        return f"{count / 1_000_000:.0f}M"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.1f}M"
    return f"{count / 1000:.0f}k" if count >= 10_000 else str(count)


def shortly(at: float) -> str:
    """Return a Unix time as a table has room for it: the time of today, else day and minute."""
    then, today = time.localtime(at), time.localtime()
    same = then[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same else "%m-%d %H:%M" if then[0] == today[0] else "%Y-%m-%d", then)


def ended_as(outcome: str, sentence: str) -> str:
    """Return how something ended, once: many sentences begin with the outcome's own word."""
    return sentence if sentence.startswith(outcome) else f"{outcome}: {sentence}"


def span(seconds: float | None) -> str:
    """Return a duration, or nothing."""
    return "" if seconds is None else format_duration(seconds)


class DurationType(click.ParamType[float]):
    """A duration such as 90s, 15m or 2h; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with the rule."""
        from supervisor.core.duration import DurationError, parse_duration

        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except DurationError as error:
            self.fail(str(error), param, ctx)


DURATION = DurationType()
