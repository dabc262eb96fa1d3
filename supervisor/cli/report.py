"""leasehold report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.offline import ask_or_read
from supervisor.cli.show import DURATION, collisions, json_option, print_json, span, table, used

if TYPE_CHECKING:
    from supervisor.world.journal.reader import Reader


@click.command()
@click.option("--since", type=DURATION, help="Only sessions started within this time, for instance 24h.")
@json_option
@click.pass_context
def report(ctx: click.Context, since: float | None, as_json: bool) -> None:  # noqa: FBT001
    """Show outcomes and grades by harness, model, tier, repository, lane and schedule, and the collision account.

    A grade is a number from 0 to 1 for what a session's end is worth; one of 0.5 or more passes. In the form
    [sonnet=0.61/86%(n=88)] stand the mean, the share that passed, and how many were graded.
    """
    began = time.time() - since if since else 0.0
    found = ask_or_read(ctx, "report", lambda reader: _from_journal(reader, began), since=began)
    if as_json:
        print_json(found)
        return
    spent = _used(found["used"], found["sessions"])
    columns = [name for name in _COLUMNS if spent or name != "used"]
    table(
        ("harness", *columns, "grades by tier"),
        [(row["harness"], *_cells(row, columns), row["told"]) for row in found["by_harness"]],
        "no session has ended yet"
        if since is None
        else f"no session that started within {span(since)} has ended",
    )
    for name in ("model", "tier", "repo", "lane", "schedule"):
        rows = found[f"by_{name}"]
        if any(row[name] for row in rows) and (name != "repo" or len(rows) > 1):
            table((name, *columns), [(row[name] or "(none)", *_cells(row, columns)) for row in rows], "")
    if spent:
        untold = found["used"]["untold"]
        silent = f"; {untold} of {found['sessions']} sessions did not tell" if untold else ""
        click.echo(f"used in all: {spent}{silent}")
    if found["collisions"]:
        click.echo(f"collisions so far: {collisions(found['collisions'])}")


_COLUMNS = ("n", "finished", "grade", "passed", "mean time", "used", "outcomes")


def _cells(row: dict[str, Any], columns: list[str]) -> list[object]:
    grade = row["grade"]
    cells = {
        "n": row["n"],
        "finished": f"{row['finished_share']:.0%}",
        "grade": f"{grade['mean']:.2f}" if grade["n"] else "-",
        "passed": f"{grade['pass_share']:.0%}" if grade["n"] else "-",
        "mean time": span(row["mean_seconds"]),
        "used": _used(row["used"], row["n"]),
        "outcomes": ", ".join(f"{count} {name}" for name, count in row["outcomes"].items()),
    }
    return [cells[name] for name in columns]


def _used(told: dict[str, Any], sessions: int) -> str:
    """Return what was used by those sessions that told it."""
    if told["untold"] == sessions:
        return ""
    return used(told["tokens"] or None, told["cost_usd"] or None)


def _from_journal(reader: Reader, since: float) -> dict[str, Any]:
    from supervisor.daemon import outcomes
    from supervisor.daemon.pacing_memory import collisions_in

    rows = reader.sessions(100_000, since_wall=since or None)
    account = collisions_in(reader.load().pacing).as_json()
    return {**outcomes.report(rows), "collisions": account, "since": since, "at": time.time()}
