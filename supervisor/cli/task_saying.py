"""leasehold task: done, block, handoff, note. What a session says of its own task."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import DURATION, json_option, print_json


@click.command()
@click.argument("why", required=False, default="")
@json_option
@click.pass_context
def done(ctx: click.Context, why: str, as_json: bool) -> None:  # noqa: FBT001
    """Say, inside a session, that its task is done.

    WHY says what was done. It is needed where nothing had to be committed; `-` reads standard input.
    """
    _say(ctx, "done", {"text": _text(why)}, as_json=as_json)


@click.command()
@click.argument("why")
@click.option(
    "--again-in", type=DURATION, help="Try again after this time [default: when an operator releases it]."
)
@json_option
@click.pass_context
def block(ctx: click.Context, why: str, again_in: float | None, as_json: bool) -> None:  # noqa: FBT001
    """Say, inside a session, that its task cannot be done now, and why; `-` reads standard input."""
    _say(ctx, "block", {"text": _text(why), "again_in": again_in}, as_json=as_json)


@click.command()
@click.argument("note")
@json_option
@click.pass_context
def handoff(ctx: click.Context, note: str, as_json: bool) -> None:  # noqa: FBT001
    """Leave the task, inside a session, to its next session; NOTE tells that what it should know, `-` reads standard input."""
    _say(ctx, "handoff", {"text": _text(note)}, as_json=as_json)


@click.command()
@click.argument("text")
@click.option("--task", "key", default="", help="The task [default: the one of this session].")
@json_option
@click.pass_context
def note(ctx: click.Context, text: str, key: str, as_json: bool) -> None:  # noqa: FBT001
    """Keep a note for the later sessions of a task; `-` reads standard input."""
    if not key and "LEASEHOLD_TOKEN" not in os.environ:
        raise click.UsageError("outside a session a note needs --task KEY")
    with client(ctx) as supervisor:
        found = supervisor.call("task.note", text=_text(text), key=key)
    if as_json:
        print_json(found)
    else:
        click.echo(f"noted on {found['task']}; its next session reads it")


def _text(given: str) -> str:
    return sys.stdin.read() if given == "-" else given


_THEN = {
    "done": "end now: what is committed counts, and without a commit the reason that you gave",
    "block": "end now: your task waits",
    "handoff": "commit what is good, then end: the next session reads your note",
}


def _say(ctx: click.Context, verb: str, fields: dict[str, Any], *, as_json: bool) -> None:
    if "LEASEHOLD_TOKEN" not in os.environ:
        raise click.ClickException(
            f"`task {verb}` is what a session says of its own task, and this is no session; "
            "operators have `task hold`, `task release` and `task cancel`"
        )
    with client(ctx) as supervisor:
        found = supervisor.call(f"task.{verb}", **fields)
    if as_json:
        print_json(found)
    else:
        click.echo(
            f"{found['task']}: noted that it is {found['said']['kind'].replace('_', ' ')}; {_THEN[verb]}"
        )
