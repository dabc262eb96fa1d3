"""leasehold integrate."""

from __future__ import annotations

import os
from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import DURATION, ago, json_option, print_json, table

COLUMNS = ("session", "task", "age", "newest commit", "repo", "checked out at")
_FIELDS = (
    "%(refname:lstrip=3)",
    "%(objectname)",
    "%(committerdate:unix)",
    "%(worktreepath)",
    "%(trailers:key=Leasehold-Task,valueonly,separator=%2C)",
    "%(contents:subject)",
)


@click.command()
@click.argument("session_id", metavar="[SESSION]", required=False)
@click.option("--list", "listed", is_flag=True, help="List the branches of sessions; also inside a session.")
@click.option(
    "--wait",
    type=DURATION,
    help="Inside a session: wait at most so long for leases and for a target that is held, for instance 60s.",
)
@json_option
@click.pass_context
def integrate(
    ctx: click.Context,
    session_id: str | None,
    listed: bool,  # noqa: FBT001
    wait: float | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Bring the commits on a session's branch into their target.

    SESSION is the id of a session that has ended, or its task's. Where isolation is "worktree", this is done by itself for
    what a session finishes; this verb is for the rest, and for what could not be integrated then. A session whose
    integration waits is tried again at once. Returns when the target has the commits, or with the reason why not.

    Without SESSION the branches of sessions are listed, read from git itself.

    Inside a session it brings in what the session itself has committed so far, and lets it go on: its branch and work tree follow
    the target. Exit code 1 when that cannot be, with the paths in conflict, what either side did, and what to do next;
    75 when a wait ran out.
    """
    inside = bool(os.environ.get("LEASEHOLD_TOKEN"))
    if wait is not None and (listed or not inside):
        raise click.UsageError(
            "--wait is for sessions; an operator's integration waits for as long as is configured"
        )
    if listed or (session_id is None and not inside):
        _list(ctx, as_json=as_json)
        return
    if inside:
        _own(ctx, session_id or "", wait, as_json=as_json)
        return
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


def _own(ctx: click.Context, session_id: str, wait: float | None, *, as_json: bool) -> None:
    with client(ctx, timeout=None) as supervisor:
        found = supervisor.call("session.integrate", session=session_id, wait=wait)
    if as_json:
        print_json(found)
        return
    count, target = len(found["commits"]), found["target"]
    if count:
        click.echo(f"{count} commit{'s' * (count > 1)} integrated into {target} ({found['commit'][:10]})")
    else:
        click.echo(f"nothing to integrate: {target} has all that is on your branch")
    if not found["follows"]:
        click.echo(f"your branch stays where it was: {found['why']}")


def _list(ctx: click.Context, *, as_json: bool) -> None:
    found = _branches(ctx)
    if as_json:
        print_json({"branches": found})
        return
    rows = [
        (one["session"], one["task"], ago(one["at"]), one["subject"], one["repo"], one["tree"])
        for one in found
    ]
    table(COLUMNS, rows, "no session has a branch")


def _branches(ctx: click.Context) -> list[dict[str, Any]]:
    from git import GitCommandError

    from supervisor.cli.salvage_store import opened, repositories

    found: list[dict[str, Any]] = []
    for name, path in repositories(ctx):
        with opened(path) as repo:
            try:
                listed = repo.git.for_each_ref(
                    "--sort=committerdate", f"--format={'%00'.join(_FIELDS)}", "refs/heads/leasehold/"
                )
            except GitCommandError as error:
                raise click.ClickException(f"{path} cannot be read: {error.stderr.strip()}") from error
        for line in listed.splitlines():
            session, commit, at, tree, task, subject = line.split("\0")
            found.append(
                {
                    "session": session,
                    "task": task.rpartition(",")[2],
                    "branch": f"leasehold/{session}",
                    "commit": commit,
                    "at": int(at),
                    "subject": subject,
                    "repo": name,
                    "tree": tree,
                }
            )
    return found
