"""From rounds to ratios with their spread, as a table to read and as JSON to keep."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pairs import CALM


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of a figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise `values`, at least one."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}-{self.most:.2f}]"


@dataclass(frozen=True, slots=True)
class Goal:
    """A promise about speed: a ratio, and on which side of the limit it must lie."""

    text: str
    cell: str
    figure: str
    peer: str
    limit: float
    at_least: bool = False

    def judge(self, cells: dict[str, dict[str, Any]]) -> str | None:
        """Return the line about this goal, or None when its cell or peer was not measured."""
        cell = cells.get(self.cell)
        ratio = ratio_of(cell, "leasehold", self.peer, self.figure) if cell else None
        if ratio is None:
            return None
        is_met = ratio.median >= self.limit if self.at_least else ratio.median <= self.limit
        return f"{self.text} {'>=' if self.at_least else '<='} {self.limit}: {ratio}  {'met' if is_met else 'NOT MET'}"


GOALS = (
    Goal(
        "pair, kept connection, same core, x floor", "1 x own lease each, same core", "p50_us", "floor", 1.7
    ),
    Goal(
        "64 connections, pairs per second, x redis",
        "64 x own lease each",
        "per_second",
        "redis",
        0.8,
        at_least=True,
    ),
    Goal("64 connections, p99, x redis", "64 x own lease each", "p99_us", "redis", 1.2),
)


def ratio_of(cell: dict[str, Any], server: str, peer: str, figure: str) -> Spread | None:
    """Return server's figure over peer's, round by round: both were measured in the same minute."""
    pairs = [(measured["servers"].get(server), measured["servers"].get(peer)) for measured in cell["rounds"]]
    values = [mine[figure] / theirs[figure] for mine, theirs in pairs if mine and theirs and theirs[figure]]
    return Spread.of(values) if values else None


def median_of(cell: dict[str, Any], server: str, figure: str) -> float | None:
    """Return the median of a figure over the rounds, or None when the server has none."""
    rounds = [measured["servers"].get(server, {}) for measured in cell["rounds"]]
    values = [figures[figure] for figures in rounds if figure in figures]
    return statistics.median(values) if values else None


def show(results: dict[str, Any]) -> None:
    """Print everything that was measured."""
    console = Console(width=210)
    for name, version in results["versions"].items():
        console.print(f"[dim]{name}: {version}[/dim]", highlight=False)
    if "pairs" in results:
        _show_pairs(console, results["pairs"])
    if "sqlite" in results:
        _show_rows(
            console,
            f"SQLite {results['sqlite']['sqlite']}: WAL, BEGIN IMMEDIATE, a process each",
            [{"cell": f"{c['processes']} x {c['mode']}", **c} for c in results["sqlite"]["cells"]],
            ("cell", "per_second", "p50_us", "worst_ms", "refusals", "least", "most", "foreign_cores"),
        )
    if "launch" in results:
        _show_rows(
            console,
            "from start to the harness's first instruction",
            [{"way": name, **row} for name, row in results["launch"]["ways"].items()],
            ("way", "median_ms", "min_ms", "max_ms", "times_floor"),
        )
    if "start" in results:
        _show_rows(
            console,
            "one session's start and end, cost to the supervisor itself"
            + _unless(results["start"]["left_out"]),
            [{"rung": name, **row} for name, row in results["start"]["rungs"].items()],
            ("rung", "start_cpu_ms", "start_cpu_worst_ms", "start_wall_ms", "tidy_cpu_ms"),
        )
    if "idle" in results:
        _show_rows(
            console,
            f"idle for {results['idle']['seconds']:g} s",
            [{"process": name, **row} for name, row in results["idle"]["processes"].items()],
            ("process", "wakeups", "cpu_ms", "rss_kib", "private_kib"),
        )
    if "pairs" in results:
        cells = {cell["cell"]: cell for cell in results["pairs"]["cells"]}
        for line in filter(None, (goal.judge(cells) for goal in GOALS)):
            console.print(f"goal: {line}", highlight=False, style="green" if line.endswith(" met") else "red")


def _unless(left_out: str) -> str:
    return f"; left out: {left_out}" if left_out else ""


def _show_pairs(console: Console, measured: dict[str, Any]) -> None:
    table = Table(
        title="lease pairs: acquire + release, kept connections; ratios are median \\[least-most] over rounds"
    )
    for column in (
        "load",
        "server",
        "pairs/s",
        "p50 us",
        "p99 us",
        "p50 x floor",
        "pairs/s x redis",
        "p99 x redis",
        "CPU us/request",
        "refused/grant",
        "least/most",
        "overtaken",
        "foreign",
    ):
        table.add_column(
            column, justify="left" if column in {"load", "server"} else "right", no_wrap=column != "load"
        )
    for cell in measured["cells"]:
        for server in cell["rounds"][0]["servers"]:
            table.add_row(cell["cell"], server, *_figures(cell, server))
        table.add_section()
    console.print(table)
    for name, why in measured["absent"].items():
        console.print(f"not measured: {name}: {why}", style="yellow", highlight=False)


def _figures(cell: dict[str, Any], server: str) -> list[str]:
    rounds = [measured["servers"][server] for measured in cell["rounds"]]
    grants = sum(figures["grants"] for figures in rounds)
    foreign = max(measured["foreign_cores"] for measured in cell["rounds"])
    cpu = median_of(cell, server, "cpu_us_per_request")
    return [
        f"{median_of(cell, server, 'per_second'):,.0f}",
        f"{median_of(cell, server, 'p50_us'):,.1f}",
        f"{median_of(cell, server, 'p99_us'):,.1f}",
        str(ratio_of(cell, server, "floor", "p50_us") or "-"),
        str(ratio_of(cell, server, "redis", "per_second") or "-"),
        str(ratio_of(cell, server, "redis", "p99_us") or "-"),
        f"{cpu:.2f}" if cpu else "-",
        f"{sum(figures['refusals'] for figures in rounds) / max(grants, 1):.1f}",
        f"{statistics.median(figures['least'] / max(figures['most'], 1) for figures in rounds):.2f}",
        f"{sum(figures['overtakes'] for figures in rounds) / max(grants, 1):.1%}"
        if cell["mode"] == "queue"
        else "-",
        f"{foreign:.2f}" + ("" if foreign <= CALM else " !"),
    ]


def _show_rows(console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = Table(title=title)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right" if column != columns[0] else "left")
    for row in rows:
        values = (row[column] for column in columns)
        table.add_row(
            *(value if isinstance(value, str) else f"{value:,.2f}".removesuffix(".00") for value in values)
        )
    console.print(table)
