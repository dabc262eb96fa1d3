"""leasehold reload and reprioritize."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json


@click.command()
@json_option
@click.pass_context
def reload(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Read configuration and task sources again; a bad file keeps the last good one and says why."""
    with client(ctx) as supervisor:
        found = supervisor.call("reload")
    if as_json:
        print_json(found)
        return
    click.echo(f"configuration and task sources are read (generation {found['generation']})")
    for change in found["changes"]:
        click.echo(f"  {change}")
    for change in found["at_restart"]:
        click.echo(f"  at the next start: {change}")


@click.command()
@json_option
@click.pass_context
def reprioritize(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Re-rank now, and preempt by policy."""
    with client(ctx) as supervisor:
        found = supervisor.call("reprioritize")
    if as_json:
        print_json(found)
        return
    click.echo(f"ranking {found['ranking']}: {', '.join(found['ranked_first']) or 'no task is ready'}")
