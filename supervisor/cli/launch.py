"""leasehold launch."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json


@click.command()
@click.option("--task", help="The task to run [default: the best that may run].")
@click.option("--harness", default="", help="The harness to run it on [default: the task's own].")
@json_option
@click.pass_context
def launch(ctx: click.Context, task: str | None, harness: str, as_json: bool) -> None:  # noqa: FBT001
    """Start one session now; return when its harness runs."""
    with client(ctx) as supervisor:
        found = supervisor.call("launch", task=task, harness=harness)
    if as_json:
        print_json(found)
        return
    click.echo(f"session {found['id']} runs {found['task']} on {found['harness']} (pid {found['pid']})")
