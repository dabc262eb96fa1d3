"""leasehold ps."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.session import COLUMNS, OPTIONAL, row
from supervisor.cli.show import json_option, print_json, table, with_repo


@click.command()
@json_option
@click.pass_context
def ps(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """List the living sessions."""
    with client(ctx) as supervisor:
        found = supervisor.call("session.list")
    if as_json:
        print_json(found)
        return
    sessions = found["sessions"]
    rows = [row(session) for session in sessions]
    table(
        *with_repo(COLUMNS, rows, [session["repo"] for session in sessions]),
        "no session is running",
        optional=OPTIONAL,
    )
