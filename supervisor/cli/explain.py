"""leasehold explain."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.events import line
from supervisor.cli.show import ended_as, json_option, print_json


@click.command()
@click.argument("key", metavar="TASK")
@json_option
@click.pass_context
def explain(ctx: click.Context, key: str, as_json: bool) -> None:  # noqa: FBT001
    """Say why a task would or would not run now."""
    with client(ctx) as supervisor:
        found = supervisor.call("explain", key=key)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['id']}: {found['title']}")
    if found["runs_now"]:
        click.echo(f"{found['sentence']} (harness {found['harness']})")
        if found.get("choice"):
            click.echo(found["choice"]["sentence"])
    else:
        click.echo(f"does not run now ({found['reason']}): {found['sentence']}")
    if found["last"]:
        click.echo(f"last session: {ended_as(found['last_outcome'], found['last'])}")
    for name in found.get("salvages", ()):
        click.echo(f"kept work: salvage {name} (`leasehold salvage show {name}`)")
    if found["history"]:
        click.echo("what happened so far:")
        for event in found["history"]:
            click.echo(f"  {line(event)}")
