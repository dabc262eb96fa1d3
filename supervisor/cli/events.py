"""leasehold events."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.connect import client
from supervisor.cli.event_kinds import KindType
from supervisor.cli.offline import ask_or_read
from supervisor.cli.show import DURATION, clock, json_option

if TYPE_CHECKING:
    from supervisor.world.journal.reader import Reader

_MOST = 10_000  # events of a time that are fetched where nobody says how many


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now.")
@click.option("-n", "--limit", default=100, show_default=True, help="How many of the past.")
@click.option(
    "--since",
    type=DURATION,
    help="Only what happened within this time, for instance 24h; without -n the newest 10000 of it.",
)
@click.option("--after", type=int, metavar="SEQ", help="Only those after this number, oldest first.")
@click.option(
    "--kind",
    "wanted",
    multiple=True,
    type=KindType(),
    help="Only of this kind, or of this group, as in session; may be given several times.",
)
@click.option("--session", help="Only of this session.")
@click.option("--task", help="Only of this task.")
@json_option
@click.pass_context
def events(
    ctx: click.Context,
    follow: bool,  # noqa: FBT001
    limit: int,
    since: float | None,
    after: int | None,
    wanted: tuple[tuple[str, ...], ...],
    session: str | None,
    task: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show what happened, or follow what happens.

    With --json: one JSON document; with --json --follow one object a line.
    """
    kinds = tuple(kind for group in wanted for kind in group)
    began = 0.0 if since is None else time.time() - since
    if since is not None and ctx.get_parameter_source("limit") is click.core.ParameterSource.DEFAULT:
        limit = _MOST
    asked = {
        "limit": limit,
        "after": after,
        "kinds": kinds,
        "session": session,
        "task": task,
    }
    if not follow:
        found = ask_or_read(ctx, "events", lambda reader: _past(reader, asked), **asked)
        found["events"] = [event for event in found["events"] if event["at"] >= began]
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False))
            return
        for event in found["events"]:
            click.echo(line(event))
        if not found["events"]:
            click.echo(
                "no event matches" if kinds or session or task or since else "nothing has happened yet",
                err=True,
            )
        return
    with client(ctx, timeout=None) as supervisor:
        for event in supervisor.stream("events", **asked, follow=True):
            if event["at"] >= began and _wanted(event, kinds, session, task):
                click.echo(json.dumps(event, ensure_ascii=False) if as_json else line(event))


def line(event: dict[str, Any]) -> str:
    """Return an event as one line."""
    who = "".join(f"{event[name]} " for name in ("session", "task") if event.get(name))
    gap = " " if who else ""
    data = event["data"]
    told = data.get("sentence") or data.get("why") or data.get("problem") or data.get("answer")
    if "lines" in data:
        told = "; ".join(data["lines"])
    if told is None:
        mine = event.get("session")  # who holds what is granted to a session is told by its id already
        brief = {
            name: _brief(name, value)
            for name, value in data.items()
            if not (name == "holder" and mine and value == mine)
        }
        told = " ".join(f"{name}={value}" for name, value in brief.items() if value)
    return f"{clock(event['at'])}  {event['kind']:<24} {who}{gap}{told}".rstrip()


_INSTANTS = frozenset({"at", "due", "until", "next"})  # names of Unix times; others are durations or counts
_COMMIT = re.compile(r"[0-9a-f]{40}")


def _brief(name: str, value: object) -> str:
    """Return a value as it fits into a line: of lists the first few words, of objects nothing."""
    match value:
        case None | "" | dict():
            return ""
        case float() if name in _INSTANTS:
            return clock(value)
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case list():
            words = [_brief(name, word) for word in value if not isinstance(word, dict | list)]
            return ",".join(words[:3]) + (",…" if len(words) > 3 else "")
        case str() if _COMMIT.fullmatch(value):
            return value[:10]
        case _:
            return str(value)


def _past(reader: Reader, asked: dict[str, Any]) -> dict[str, Any]:
    from supervisor.daemon.recorder import event_json

    only = {name: asked[name] for name in ("kinds", "session", "task")}
    if asked["after"] is not None:
        found = reader.events(asked["after"], asked["limit"], **only)
    else:
        found = reader.recent(asked["limit"], **only)
    return {"events": [event_json(entry.event, entry.seq) for entry in found]}


def _wanted(event: dict[str, Any], kinds: tuple[str, ...], session: str | None, task: str | None) -> bool:
    return (
        (not kinds or event["kind"] in kinds)
        and (session is None or event.get("session") == session)
        and (task is None or event.get("task") == task)
    )
