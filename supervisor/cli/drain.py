"""leasehold drain."""

from __future__ import annotations

from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json, span


@click.command()
@click.option("--wait", is_flag=True, help="Return when the last session has ended.")
@json_option
@click.pass_context
def drain(ctx: click.Context, wait: bool, as_json: bool) -> None:  # noqa: FBT001
    """Let what runs finish and start nothing new."""
    with client(ctx, timeout=None) as supervisor:
        found = supervisor.call("drain", wait=False)
        if wait and (sessions := supervisor.call("session.list")["sessions"]):
            _say_for_whom(sessions)
            found = supervisor.call("drain", wait=True)
    if as_json:
        print_json(found)
        return
    if wait:
        click.echo("drained: no session runs, and none is started before `leasehold resume`")
        return
    count = found["running"]
    click.echo(f"draining; {count} session{'s' * (count != 1)} still running")


def _say_for_whom(sessions: list[dict[str, Any]]) -> None:
    """Say on standard error whom the wait is for: it may last as long as their budgets."""
    named = ", ".join(
        f"{each['id']} ({each['task']}, {span(max(0.0, each['left']))} left)" for each in sessions
    )
    click.echo(f"leasehold: draining; waiting for {named}", err=True)
