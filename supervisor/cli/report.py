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
    """Count outcomes by harness, model and lane, and show the collision account."""
    began = time.time() - since if since else 0.0
    found = ask_or_read(ctx, "report", lambda reader: _from_journal(reader, began), since=began)
    if as_json:
        print_json(found)
        return
    columns = ("n", "finished", "mean time", "outcomes")

    def cells(row: dict[str, object]) -> tuple[object, ...]:
        outcomes = row["outcomes"]
        assert isinstance(outcomes, dict)  # noqa: S101  - the supervisor's own answer
        told = ", ".join(f"{count} {name}" for name, count in outcomes.items())
        return row["n"], f"{row['finished_share']:.0%}", span(row["mean_seconds"]), told  # type: ignore[arg-type]

    table(
        ("harness", "model", *columns),
        [(row["harness"], row["model"], *cells(row)) for row in found["by_harness"]],
        "no session has ended yet",
    )
    if found["by_lane"]:
        table(("lane", *columns), [(row["lane"], *cells(row)) for row in found["by_lane"]], "")
    if found["collisions"]:
        click.echo(f"collisions so far: {collisions(found['collisions'])}")


def _from_journal(reader: Reader, since: float) -> dict[str, Any]:
    from supervisor.daemon.outcomes import by_harness
    from supervisor.daemon.pacing_memory import collisions_in

    rows = reader.sessions(100_000, since_wall=since or None)
    account = collisions_in(reader.load().pacing).as_json()
    return {**by_harness(rows), "collisions": account, "since": since, "at": time.time()}
