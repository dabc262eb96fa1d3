"""leasehold salvage: list, show, apply, drop. They read git itself, with or without a supervisor."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from supervisor.cli.show import ago, json_option, print_json, table

COLUMNS = ("salvage", "age", "task", "outcome", "files", "state", "repo")
_NAME = "SALVAGE"

repo_option = click.option("--repo", default="", help="Only of this repository.")


@click.group()
def salvage() -> None:
    """List, show, apply and drop the uncommitted work kept from ended sessions."""


@salvage.command("list")
@repo_option
@json_option
@click.pass_context
def list_(ctx: click.Context, repo: str, as_json: bool) -> None:  # noqa: FBT001
    """List what was kept, oldest first."""
    from supervisor.cli import salvage_store as store

    rows: list[tuple[object, ...]] = []
    found: list[dict[str, Any]] = []
    for entry in store.stored(ctx, repo):
        with store.opened(entry.root) as opened:
            changed, landed = store.changes(opened, entry), store.is_landed(opened, entry)
        found.append(store.as_json(entry, changed, landed=landed))
        paths = list(changed)
        shown = ", ".join(map(store.shown, paths[:3])) + (f" and {len(paths) - 3} more" * (len(paths) > 3))
        state = "landed" if landed else "open"
        rows.append(
            (entry.id, ago(entry.at), entry.label.task, entry.label.outcome, shown, state, entry.repo)
        )
    if as_json:
        print_json({"salvages": found})
        return
    table(COLUMNS, rows, "nothing was salvaged")


@salvage.command()
@click.argument("name", metavar=_NAME)
@click.option("--patch", is_flag=True, help="Print the differences as a patch, and nothing else.")
@click.option("--stat", is_flag=True, help="Count the changed lines of each file.")
@click.option(
    "--staged", is_flag=True, help="With --patch or --stat: what was staged, where that was different."
)
@repo_option
@json_option
@click.pass_context
def show(
    ctx: click.Context,
    name: str,
    patch: bool,  # noqa: FBT001
    stat: bool,  # noqa: FBT001
    staged: bool,  # noqa: FBT001
    repo: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show one salvage, by its id or its task; of a task, the last one."""
    from supervisor.cli import salvage_store as store

    entry = store.one(ctx, name, repo)
    with store.opened(entry.root) as opened:
        changed, landed = store.changes(opened, entry), store.is_landed(opened, entry)
        if patch or stat:
            tree = entry.label.staged if staged and entry.label.staged else entry.commit
            how = ("--patch", "--binary") if patch else ("--stat=100",)
            text = opened.git.diff(
                *how,
                "--no-color",
                "--no-ext-diff",
                store.base(opened, entry),
                tree,
                "--",
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
            sys.stdout.buffer.write(text)
            sys.stdout.flush()
            return
    if as_json:
        print_json(store.as_json(entry, changed, landed=landed))
        return
    label = entry.label
    whose = f"session {label.session}, task {label.task}" if label.session else "files of no session"
    lines = {
        "salvage": f"{entry.id} ({entry.ref})",
        "of": f"{whose}; {label.outcome}",
        "kept": ago(entry.at),
        "base": label.base[:10] or "no commit yet",
        "state": "landed: the checkout's commit has all of it" if landed else "open",
        "repository": str(entry.root),
    }
    for key, value in lines.items():
        click.echo(f"{key:<12} {value}")
    for path, change in changed.items():
        free = " (held by nobody)" if path in label.unleased else ""
        click.echo(f"{change:<12} {store.shown(path)}{free}")
    for path, why in label.unkept.items():
        click.echo(f"{'not kept':<12} {store.shown(path)}: {why}")
    if label.neighbours:
        click.echo(f"what nobody held may also be of {', '.join(label.neighbours)}, at work at the time")
    if label.staged:
        click.echo(f"staged versions that differ: leasehold salvage show {entry.id} --patch --staged")


@salvage.command()
@click.argument("name", metavar=_NAME)
@click.argument("paths", nargs=-1)
@click.option(
    "--force", is_flag=True, help="Write over uncommitted changes and conflicts; they are salvaged first."
)
@click.option("--markers", is_flag=True, help="Write both sides of a conflict, between conflict markers.")
@click.option("--staged", is_flag=True, help="Take what was staged, where that was different.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@repo_option
@json_option
@click.pass_context
def apply(ctx: click.Context, /, name: str, paths: tuple[str, ...], as_json: bool, **ways: Any) -> None:  # noqa: FBT001
    """Put a salvage, or only PATHS of it, back into the checkout.

    The files are written, never committed or staged. Where a commit has changed a file since, both changes
    are merged. If one file has uncommitted changes or a conflict, nothing is written and exit code 1 names
    it. The leases of the paths are taken first: the session's inside one, else yours.
    """
    from supervisor.cli.salvage_apply import apply_salvage

    apply_salvage(ctx, name, paths, as_json=as_json, **ways)


@salvage.command()
@click.argument("names", metavar=f"{_NAME}...", nargs=-1)
@click.option("--landed", is_flag=True, help="All whose work the checkout's commit has.")
@repo_option
@json_option
@click.pass_context
def drop(ctx: click.Context, names: tuple[str, ...], landed: bool, repo: str, as_json: bool) -> None:  # noqa: FBT001
    """Delete salvages. Nothing else ever does."""
    from supervisor.cli import salvage_store as store

    if bool(names) == landed:
        raise click.UsageError("name the salvages to delete, or say --landed")
    if os.environ.get("LEASEHOLD_TOKEN"):
        raise click.ClickException(
            "a session deletes no salvage; its operator does, with `leasehold salvage drop`"
        )
    chosen = [store.one(ctx, name, repo) for name in names] if names else store.stored(ctx, repo)
    dropped = []
    for entry in chosen:
        with store.opened(entry.root) as opened:
            if landed and not store.is_landed(opened, entry):
                continue
            opened.git.update_ref("-d", entry.ref, entry.commit)
        dropped.append({"id": entry.id, "repo": entry.repo, "ref": entry.ref, "commit": entry.commit})
    if as_json:
        print_json({"dropped": dropped})
        return
    for one in dropped:
        click.echo(f"dropped {one['id']}; until git collects it: git update-ref {one['ref']} {one['commit']}")
    if not dropped:
        click.echo("no salvage has landed")
