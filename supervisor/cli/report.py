"""leasehold report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.offline import ask_or_read
from supervisor.cli.show import DURATION, collisions, json_option, print_json, span, table

if TYPE_CHECKING:
    from supervisor.world.journal.reader import Reader


@click.command()
@click.option("--since", type=DURATION, help="Only sessions started within this time, for instance 24h.")
@json_option
@click.pass_context
def report(ctx: click.Context, since: float | None, as_json: bool) -> None:  # noqa: FBT001
    """Show outcomes and grades by harness, model, tier, lane and schedule, and the collision account.

    A grade is a number from 0 to 1 for what a session's end is worth; one of 0.5 or more passes. In the form
    [sonnet=0.61/86%(n=88)] stand the mean, the share that passed, and how many were graded.
    """
    began = time.time() - since if since else 0.0
    found = ask_or_read(ctx, "report", lambda reader: _from_journal(reader, began), since=began)
    if as_json:
        print_json(found)
        return
    table(
        ("harness", *_COLUMNS, "grades by tier"),
        [(row["harness"], *_cells(row), row["told"]) for row in found["by_harness"]],
        "no session has ended yet",
    )
    for name in ("model", "tier", "lane", "schedule"):
        rows = found[f"by_{name}"]
        if any(row[name] for row in rows):
            table((name, *_COLUMNS), [(row[name], *_cells(row)) for row in rows], "")
    if found["collisions"]:
        click.echo(f"collisions so far: {collisions(found['collisions'])}")


_COLUMNS = ("n", "finished", "grade", "passed", "mean time", "outcomes")


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    grade = row["grade"]
    graded = (f"{grade['mean']:.2f}", f"{grade['pass_share']:.0%}") if grade["n"] else ("-", "-")
    outcomes = ", ".join(f"{count} {name}" for name, count in row["outcomes"].items())
    return row["n"], f"{row['finished_share']:.0%}", *graded, span(row["mean_seconds"]), outcomes


def _from_journal(reader: Reader, since: float) -> dict[str, Any]:
    from supervisor.daemon import outcomes
    from supervisor.daemon.pacing_memory import collisions_in

    rows = reader.sessions(100_000, since_wall=since or None)
    account = collisions_in(reader.load().pacing).as_json()
    return {**outcomes.report(rows), "collisions": account, "since": since, "at": time.time()}
