"""leasehold pause and resume."""

from __future__ import annotations

from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json


@click.command()
@click.option("--lane", help="Only this lane; '' is the lane of tasks without one.")
@click.option("--why", default="", help="Shown in status.")
@json_option
@click.pass_context
def pause(ctx: click.Context, lane: str | None, why: str, as_json: bool) -> None:  # noqa: FBT001
    """Start nothing new until `resume`."""
    with client(ctx) as supervisor:
        _say(supervisor.call("pause", lane=lane, why=why), as_json=as_json)


@click.command()
@click.option("--lane", help="Only this lane; '' is the lane of tasks without one.")
@click.option("--harness", help="Only this harness, and those on its account: end its rest.")
@json_option
@click.pass_context
def resume(ctx: click.Context, lane: str | None, harness: str | None, as_json: bool) -> None:  # noqa: FBT001
    """End a pause or a drain, or the rest of a harness."""
    if lane is not None and harness is not None:
        raise click.UsageError("give either --lane or --harness")
    with client(ctx) as supervisor:
        _say(supervisor.call("resume", lane=lane, harness=harness), as_json=as_json)


def _say(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif "harness" in found:
        click.echo(f"harness {found['harness']} {'may start again' if found['rested'] else 'did not rest'}")
    elif "lane" in found:
        click.echo(f"lane {found['lane'] or '(none)'} is {found['state']}")
    else:
        click.echo(f"the supervisor is {found['admission']}")
