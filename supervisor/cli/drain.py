"""leasehold drain."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json


@click.command()
@click.option("--wait", is_flag=True, help="Return when the last session has ended.")
@json_option
@click.pass_context
def drain(ctx: click.Context, wait: bool, as_json: bool) -> None:  # noqa: FBT001
    """Let what runs finish and start nothing new."""
    with client(ctx, timeout=None) as supervisor:
        found = supervisor.call("drain", wait=wait)
    if as_json:
        print_json(found)
        return
    count = found["running"]
    click.echo(f"draining; {count} session{'s' * (count != 1)} still running")
