"""leasehold next."""

from __future__ import annotations

import click

from supervisor.cli.connect import client
from supervisor.cli.show import json_option, print_json

_LINES = 20  # candidates that were passed over and are shown to people


@click.command("next")
@json_option
@click.pass_context
def next_(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Show what would run next, and why others would not."""
    with client(ctx) as supervisor:
        found = supervisor.call("next")
    if as_json:
        print_json(found)
        return
    chosen = found["chosen"]
    if chosen is None:
        click.echo("no task may run now")
    else:
        scopes = ", ".join(chosen["scopes"]) or "no declared scope"
        click.echo(f"next: {chosen['id']} ({chosen['title']}) on {chosen['harness']}; {scopes}")
        if chosen["choice"]:
            click.echo(f"  {chosen['choice']['sentence']}")
    if "not_now" in found:
        click.echo(f"not now: {found['not_now']}")
    if found["plateau_warning"]:
        click.echo(f"warning: {found['plateau_warning']['sentence']}")
    for skip in found["skipped"][:_LINES]:
        click.echo(f"  passed over {skip['id']}: {skip['sentence']}")
    if found["unranked_counts"]:
        click.echo(
            f"  not in the ranking: {_counts(found['unranked_counts'])} (`leasehold task list` says more)"
        )
    hidden = sum(found["skipped_counts"].values()) - len(found["skipped"][:_LINES])
    if hidden > 0:
        click.echo(f"  and {hidden} more; passed over in all: {_counts(found['skipped_counts'])}")


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in found.items())
