"""leasehold task: add, list, show, hold, release, cancel, retry, priority; what sessions say is in task_saying."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from supervisor.cli.connect import client, place
from supervisor.cli.show import ago, ended_as, json_option, print_json, span, table, with_repo
from supervisor.cli.task_saying import block, done, handoff, note


@click.group()
def task() -> None:
    """Add, list, show and steer tasks."""


@task.command()
@click.argument("title", required=False)
@click.option("--id", "key", help="A stable key [default: q-NUMBER].")
@click.option("--body", help="What is to be done; `-` reads standard input.")
@click.option(
    "--path", "paths", multiple=True, help="A path it may change: file, folder/ or glob. Repeatable."
)
@click.option("--resource", "resources", multiple=True, help="For instance resource:port-5432. Repeatable.")
@click.option("--requires", multiple=True, help="A task that must be done first. Repeatable.")
@click.option("--priority", help="A number, higher runs first; or urgent, high, medium, low, none.")
@click.option("--lane", help="Its category.")
@click.option("--tier", type=click.IntRange(1, 3), help="1 work under way, 2 backlog, 3 standing.")
@click.option(
    "--repo", help="The repository it works in [default: that of the queue, or the one around here]."
)
@click.option("--harness", help="The harness that runs it.")
@click.option("--budget", help="For instance 50m.")
@click.option(
    "--json-task", "document", type=click.File(), help="The whole task as a JSON object; `-` for stdin."
)
@json_option
@click.pass_context
def add(ctx: click.Context, /, document: Any, as_json: bool, **fields: Any) -> None:  # noqa: FBT001
    """Add a task to the queue; it is on disk when this returns."""
    data: dict[str, Any] = {}
    if document is not None:
        try:
            data = json.load(document)
        except ValueError as error:
            raise click.UsageError(f"--json-task: not JSON: {error}") from error
        if not isinstance(data, dict):
            raise click.UsageError("--json-task: not a JSON object")
    if fields["body"] == "-":
        fields["body"] = sys.stdin.read()
    fields["id"] = fields.pop("key")
    data |= {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value not in (None, "", ())
    }
    if not data.get("title"):
        raise click.UsageError(
            "a task needs a title: leasehold task add 'Fix the parser' --path src/parser.py"
        )
    with client(ctx) as supervisor:
        found = supervisor.call("task.add", task=data, **place())
    _changed(found, as_json=as_json)
    if not found["repo"]:
        click.echo(
            f"leasehold: {found['id']} is of no repository, so it runs in none; --repo NAME makes it of one",
            err=True,
        )


@task.command("list")
@click.option("--all", "all_", is_flag=True, help="Also what is over.")
@json_option
@click.pass_context
def list_(ctx: click.Context, all_: bool, as_json: bool) -> None:  # noqa: FBT001
    """List tasks in the order in which they would run."""
    with client(ctx) as supervisor:
        found = supervisor.call("task.list", all=all_)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            t["id"],
            t["standing"],
            t["tier"],
            t["priority"],
            t["lane"],
            t["attempts"],
            t["title"],
            t["sentence"],
        )
        for t in found["tasks"]
    ]
    columns = ("task", "standing", "tier", "prio", "lane", "tries", "title", "now")
    table(*with_repo(columns, rows, [t["repo"] for t in found["tasks"]]), "the backlog is empty")
    for problem in found["problems"]:
        click.echo(f"problem: {problem['sentence']}", err=True)


@task.command()
@click.argument("key", metavar="TASK")
@json_option
@click.pass_context
def show(ctx: click.Context, key: str, as_json: bool) -> None:  # noqa: FBT001
    """Show one task."""
    with client(ctx) as supervisor:
        found = supervisor.call("task.show", key=key)
    if as_json:
        print_json(found)
        return
    for name in (
        "id",
        "title",
        "standing",
        "sentence",
        "tier",
        "priority",
        "lane",
        "repo",
        "source",
        "origin",
    ):
        if found.get(name) not in (None, ""):
            click.echo(f"{name:<10} {found[name]}")
    if found["budget"]:
        click.echo(f"{'budget':<10} {span(found['budget'])}")
    for scope in found["scopes"]:
        click.echo(f"{'scope':<10} {scope['scope']} ({scope['mode']})")
    for blocker in found["blockers"]:
        click.echo(f"{'blocked':<10} {blocker}")
    if found["last"]:
        click.echo(f"{'last':<10} {ended_as(found['last']['outcome'], found['last']['sentence'])}")
        for name in found["last"].get("salvages", ()):
            click.echo(f"{'salvage':<10} {name}")
    for entry in found["notes"]:
        click.echo(f"{'note':<10} {entry['by']}, {ago(entry['at'])}: {entry['text']}")
    if found["body"]:
        click.echo(f"\n{found['body']}")


@task.command()
@click.argument("key", metavar="TASK")
@click.option("--why", default="", help="Recorded with it.")
@json_option
@click.pass_context
def hold(ctx: click.Context, key: str, why: str, as_json: bool) -> None:  # noqa: FBT001
    """Take a task out of the running until it is released."""
    with client(ctx) as supervisor:
        _changed(supervisor.call("task.hold", key=key, why=why), as_json=as_json)


@task.command()
@click.argument("key", metavar="TASK")
@click.argument("value", metavar="NUMBER|WORD|source")
@json_option
@click.pass_context
def priority(ctx: click.Context, key: str, value: str, as_json: bool) -> None:  # noqa: FBT001
    """Override a task's priority; `source` goes back to what its source says.

    A higher NUMBER runs first; urgent, high, medium, low and none stand for numbers, as in task files.
    """
    from supervisor.world.sources.vocabulary import PRIORITY_OF

    try:
        number = None if value == "source" else PRIORITY_OF.get(value.lower())
        number = int(value) if number is None and value != "source" else number
    except ValueError as error:
        raise click.UsageError(
            f'"{value}" is no number, and none of urgent, high, medium, low, none and source'
        ) from error
    with client(ctx) as supervisor:
        _changed(supervisor.call("task.priority", key=key, priority=number), as_json=as_json)


def _simple(verb: str, help_: str) -> None:
    @task.command(verb, help=help_)
    @click.argument("key", metavar="TASK")
    @json_option
    @click.pass_context
    def order(ctx: click.Context, key: str, as_json: bool) -> None:  # noqa: FBT001
        with client(ctx) as supervisor:
            _changed(supervisor.call(f"task.{verb}", key=key), as_json=as_json)


_simple("release", "Let a held task run again.")
_simple("cancel", "Call a task off for good.")
_simple("retry", "Give a task fresh attempts, whatever became of the earlier ones.")
for _said in (done, block, handoff, note):
    task.add_command(_said)


def _changed(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        told = found["sentence"]
        standing = "" if told.startswith(found["standing"]) else f"{found['standing']}; "
        click.echo(f"{found['id']}: {standing}{told}")
