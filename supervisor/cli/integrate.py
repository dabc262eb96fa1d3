"""leasehold integrate."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json


@click.command()
@click.argument("session_id", metavar="SESSION")
@json_option
@click.pass_context
def integrate(ctx: click.Context, session_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Bring the commits that a session left on its branch into their target.

    SESSION is the id of a session that has ended, or its task's. Where isolation is "worktree", this is done by itself for
    what a session finishes; this verb is for the rest, and for what could not be integrated then. A session whose
    integration waits is tried again at once. Returns when the target has the commits, or with the reason why not.
    """
    with client(ctx, timeout=None) as supervisor:
        found = supervisor.call("session.integrate", session=session_id)
    if as_json:
        print_json(found)
        return
    if integrated := found.get("integrated"):
        click.echo(
            f"session {found['session']}: integrated into {integrated['target']} ({integrated['commit'][:10]})"
        )
    else:
        click.echo(f"session {found['session']}: {found['sentence']}")
