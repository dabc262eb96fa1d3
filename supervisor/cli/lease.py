"""leasehold lease: list, who, acquire, release. Inside a session they act for that session."""

from __future__ import annotations

import os
from typing import Any

import click

from supervisor.cli.connect import client, place
from supervisor.cli.show import DURATION, json_option, print_json, span, table

COLUMNS = ("scope", "mode", "holder", "task", "pid", "age", "token", "repo")


@click.group()
def lease() -> None:
    """List, find, acquire and release leases."""


@lease.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """List all leases, and who waits for one."""
    with client(ctx) as supervisor:
        found = supervisor.call("lease.list")
    if as_json:
        print_json(found)
        return
    table(COLUMNS, [_row(entry) for entry in found["leases"]], "no lease is held")
    for waiter in found["waiting"]:
        scopes = ", ".join(waiter["scopes"])
        click.echo(
            f"{waiter['holder']} waits for {scopes} since {span(waiter['waits'])}, {span(waiter['left'])} more"
        )


@lease.command()
@click.argument("path")
@click.option("--repo", default="", help="The repository, if the path does not say.")
@json_option
@click.pass_context
def who(ctx: click.Context, path: str, repo: str, as_json: bool) -> None:  # noqa: FBT001
    """Say who holds a path or resource."""
    with client(ctx) as supervisor:
        found = supervisor.call("lease.who", path=path, repo=repo, **place())
    if as_json:
        print_json(found)
        return
    table(COLUMNS, [_row(entry) for entry in found["leases"]], f"nobody holds {found['path']}")


@lease.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--shared", is_flag=True, help="Share with others who share.")
@click.option(
    "--wait", type=DURATION, default=0.0, help="Wait up to this long, for instance 60s [default: not at all]."
)
@click.option("--repo", default="", help="The repository, if the folder does not say.")
@json_option
@click.pass_context
def acquire(
    ctx: click.Context,
    paths: tuple[str, ...],
    shared: bool,  # noqa: FBT001
    wait: float,
    repo: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Ask for paths or resources, all or none. Exit code 75 when the wait ran out."""
    with client(ctx, timeout=wait + 30) as supervisor:
        found = supervisor.call("lease.acquire", paths=paths, shared=shared, wait=wait, repo=repo, **place())
    if as_json:
        print_json(found)
        return
    for entry in found["leases"]:
        click.echo(f"{entry['scope']} is yours ({entry['mode']}, token {entry['token']})")


@lease.command()
@click.argument("paths", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="Everything that you hold.")
@click.option("--repo", default="", help="The repository, if the folder does not say.")
@json_option
@click.pass_context
def release(ctx: click.Context, paths: tuple[str, ...], all_: bool, repo: str, as_json: bool) -> None:  # noqa: FBT001
    """Give paths or resources back."""
    if bool(paths) == all_:
        raise click.UsageError("name the paths to give back, or say --all")
    with client(ctx) as supervisor:
        found = supervisor.call("lease.release", paths=paths, repo=repo, **place())
    if as_json:
        print_json(found)
        return
    count = found["released"]
    if count:
        click.echo(f"{count} lease{'s' * (count != 1)} given back")
        return
    click.echo("no lease was given back: you hold nothing" + " of that" * bool(paths))
    with client(ctx) as supervisor:
        for path in paths:
            for held in supervisor.call("lease.who", path=path, repo=repo, **place())["leases"]:
                click.echo(_whose(held))


def _whose(entry: dict[str, Any]) -> str:
    """Say who holds what one wanted to give back, and how it is had from a session."""
    told = f"  {entry['scope']} is held by {entry['holder']} for {span(entry['age'])}"
    if entry["task"] is None or "LEASEHOLD_SESSION" in os.environ:
        return told
    stop = f"`leasehold session stop {entry['holder']}` ends it"
    return f"{told} (task {entry['task']}); it gives that back at its end, {stop}"


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        entry["scope"],
        entry["mode"],
        entry["holder"],
        entry["task"],
        entry["pid"],
        span(entry["age"]),
        entry["token"],
        entry["repo"],
    )
