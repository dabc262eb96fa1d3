"""leasehold integrate."""

from __future__ import annotations

from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import ago, json_option, print_json, table

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
@json_option
@click.pass_context
def integrate(ctx: click.Context, session_id: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Bring the commits that a session left on its branch into their target.

    SESSION is the id of a session that has ended, or its task's. Where isolation is "worktree", this is done by itself for
    what a session finishes; this verb is for the rest, and for what could not be integrated then. A session whose
    integration waits is tried again at once. Returns when the target has the commits, or with the reason why not.

    Without SESSION the branches of sessions are listed, read from git itself.
    """
    if session_id is None:
        _list(ctx, as_json=as_json)
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
