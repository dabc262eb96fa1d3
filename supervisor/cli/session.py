"""leasehold session: list, show, logs, stop, kill, extend, pause, resume."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.connect import client
from supervisor.cli.facts import facts, held_by
from supervisor.cli.offline import ask_or_read
from supervisor.cli.show import (
    DURATION,
    ago,
    clock,
    ended_as,
    json_option,
    print_json,
    shortly,
    span,
    table,
    used,
    with_repo,
)

if TYPE_CHECKING:
    from supervisor.cli.masked import Masked
    from supervisor.cli.pretty import Pretty
    from supervisor.world.journal.reader import Reader

# What `session show` prints first: the key of --json -> the word, which is that of `status`.
_FACTS = ("id", "task", "title", "state", "outcome", "sentence", "harness", "lane", "repo", "attempt")
_PAST = ("session", "state", "task", "harness", "model", "used", "started", "elapsed", "grade")
COLUMNS = ("session", "state", "task", "harness", "model", "used", "pid", "elapsed", "left", "leases")

OPTIONAL = ("model", "used", "grade")  # columns for what not every harness tells


def row(session: dict[str, Any]) -> tuple[object, ...]:
    """Return a session as a row of `ps`."""
    return (
        session["id"],
        session.get("outcome") or session["state"],
        session["task"],
        session["harness"],
        session.get("model"),
        _used(session.get("usage") or {}),
        session["pid"],
        span(session["elapsed"]),
        span(session["left"]),
        session.get("leases_held"),
    )


def _past_row(session: dict[str, Any]) -> tuple[object, ...]:
    """Return a session as a row of `session list --all`: when it ran instead of what it holds."""
    return *row(session)[:6], shortly(session["started_at"]), span(session["elapsed"]), _grade(session)


def _grade(session: dict[str, Any]) -> str:
    grade = session.get("grade")
    return f"{grade['value']:.2f}" if grade else ""


def _used(usage: dict[str, Any]) -> str:
    """Return tokens and cost in short, as far as the harness told them."""
    told = [usage[name] for name in ("tokens_in", "tokens_out") if usage.get(name) is not None]
    return used(sum(told) if told else None, usage.get("cost_usd"))


@click.group()
def session() -> None:
    """List, show, stop, kill, extend and pause sessions."""


@session.command("list")
@click.option("--all", "all_", is_flag=True, help="Also those that ended.")
@click.option("--limit", default=50, show_default=True, help="How many of those at most.")
@json_option
@click.pass_context
def list_(ctx: click.Context, all_: bool, limit: int, as_json: bool) -> None:  # noqa: FBT001
    """List sessions."""
    found = ask_or_read(
        ctx, "session.list", lambda reader: _listed(reader, limit if all_ else 0), all=all_, limit=limit
    )
    if as_json:
        print_json(found)
        return
    sessions = found["sessions"]
    rows = [_past_row(entry) if all_ else row(entry) for entry in sessions]
    empty = "no session was started yet" if all_ else "no session is running"
    table(
        *with_repo(_PAST if all_ else COLUMNS, rows, [entry["repo"] for entry in sessions]),
        empty,
        optional=OPTIONAL,
    )


@session.command()
@click.argument("session_id", metavar="SESSION")
@json_option
@click.pass_context
def show(ctx: click.Context, session_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Show one session, by its id or its task's; of a task, the last one."""
    found = ask_or_read(ctx, "session.show", lambda reader: _one(reader, session_id), session=session_id)
    if as_json:
        print_json(found)
        return
    for name in _FACTS:
        if found.get(name) not in (None, ""):
            click.echo(f"{name:<12} {found[name]}")
    for line in held_by(found):
        click.echo(line)
    ended = f", ended {clock(found['ended_at'])}" if found.get("ended_at") else ""
    click.echo(f"{'started':<12} {clock(found['started_at'])}{ended}")
    if said := found.get("said") or (found.get("evidence") or {}).get("said"):
        click.echo(f"{'said':<12} {said['kind'].replace('_', ' ')}: {said['text']}")
    if grade := found.get("grade"):
        told = f": {grade['why']}" if grade["why"] else ""
        reverted = (
            f", {grade['reverted']} of {grade['commits']} commits reverted" if grade["reverted"] else ""
        )
        click.echo(f"{'grade':<12} {grade['value']:.2f} by {grade['by']}{told}{reverted}")
    if paused := found.get("paused"):
        click.echo(f"{'paused':<12} {ago(paused['since'])} by {paused['by']}: {paused['why']}")
    for survivor in found.get("survivors") or ():
        click.echo(f"{'not killed':<12} {survivor}")
    click.echo(f"{'elapsed':<12} {span(found['elapsed'])} of {span(found['budget'])}")
    if found.get("pid"):
        click.echo(f"{'pids':<12} harness {found['pid']}, worker {found['worker_pid']}")
    for scope in found.get("leases") or ():
        click.echo(f"{'lease':<12} {scope}")
    for line in facts(found.get("heard") or {}, found.get("model") or ""):
        click.echo(line)
    evidence = found.get("evidence") or {}
    if salvage := evidence.get("salvage"):
        click.echo(f"{'salvage':<12} {salvage['id']} ({salvage['ref']})")
    if integrated := evidence.get("integrated"):
        click.echo(f"{'integrated':<12} into {integrated['target']} ({integrated['commit'][:10]})")
    if branch := evidence.get("branch"):
        click.echo(
            f"{'branch':<12} {branch['branch']}, not in {branch['target']}; `leasehold integrate {found['id']}`"
        )
    for name, called in (("brief", "brief"), ("out_log", "output"), ("err_log", "errors")):
        click.echo(f"{called:<12} {found[name]}")


@session.command()
@click.argument("session_id", metavar="SESSION")
@click.option("-f", "--follow", is_flag=True, help="Go on until the session ends.")
@click.option("--err", is_flag=True, help="Standard error instead of standard output.")
@click.option("--pretty", is_flag=True, help="What it means instead of what was written, secrets masked.")
@click.option("--raw", is_flag=True, help="The very bytes that were written, secrets too.")
@click.pass_context
def logs(
    ctx: click.Context,
    session_id: str,
    follow: bool,  # noqa: FBT001
    err: bool,  # noqa: FBT001
    pretty: bool,  # noqa: FBT001
    raw: bool,  # noqa: FBT001
) -> None:
    """Print what a session's harness wrote, line by line, secrets masked.

    Masked are keys of well-known forms, passwords in URLs, what env_from of any harness names, and the values of
    variables whose names end in KEY, TOKEN, SECRET or PASSWORD: of env in the configuration, of your own environment,
    and of the supervisor's while it runs.
    """
    from supervisor.cli.logs import follow_log, print_log
    from supervisor.cli.masked import Masked
    from supervisor.cli.pretty import Pretty
    from supervisor.cli.secrets import known_secrets

    if pretty and raw:
        raise click.UsageError("give either --pretty or --raw")
    if pretty and err:
        raise click.UsageError("give either --pretty or --err: only standard output is understood")

    found = ask_or_read(ctx, "session.show", lambda reader: _one(reader, session_id), session=session_id)
    path = found["err_log" if err else "out_log"]
    shown: Pretty | Masked | None = None
    if pretty:
        shown = Pretty((found.get("heard") or {}).get("adapter", ""), known_secrets(ctx))
    elif not raw:
        shown = Masked(known_secrets(ctx))
    if follow and found["state"] != "ended":
        with client(ctx) as supervisor:
            follow_log(path, supervisor, found["id"], shown)
    else:
        print_log(path, shown)
    sys.stdout.flush()


@session.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--grace", type=DURATION, help="Time between asking and killing [default: the harness's].")
@click.option("--why", default="", help="Recorded with the ending.")
@json_option
@click.pass_context
def stop(ctx: click.Context, session_id: str, grace: float | None, why: str, as_json: bool) -> None:  # noqa: FBT001
    """Ask a session to end; return when none of its processes is left. Its task is then held."""
    with client(ctx, timeout=None) as supervisor:
        _ended(supervisor.call("session.stop", session=session_id, grace=grace, why=why), as_json=as_json)


@session.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--why", default="", help="Recorded with the ending.")
@json_option
@click.pass_context
def kill(ctx: click.Context, session_id: str, why: str, as_json: bool) -> None:  # noqa: FBT001
    """End a session without asking it; return when none of its processes is left."""
    with client(ctx, timeout=None) as supervisor:
        _ended(supervisor.call("session.kill", session=session_id, why=why), as_json=as_json)


@session.command()
@click.argument("session_id", metavar="SESSION")
@click.argument("duration", type=DURATION)
@json_option
@click.pass_context
def extend(ctx: click.Context, session_id: str, duration: float, as_json: bool) -> None:  # noqa: FBT001
    """Give a session more time, for instance `extend 5cc9795f 20m`."""
    with client(ctx) as supervisor:
        found = supervisor.call("session.extend", session=session_id, seconds=duration)
    if as_json:
        print_json(found)
        return
    click.echo(f"session {found['session']}: budget {span(found['budget'])}, {span(found['left'])} left")


@session.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--why", default="", help="Shown to whoever meets the session meanwhile.")
@json_option
@click.pass_context
def pause(ctx: click.Context, session_id: str, why: str, as_json: bool) -> None:  # noqa: FBT001
    """Halt a session with all of its processes; its time budget stands still, its leases stay held."""
    with client(ctx) as supervisor:
        found = supervisor.call("session.pause", session=session_id, why=why)
    if as_json:
        print_json(found)
        return
    paused = found["paused"]
    click.echo(
        f"session {found['id']} is paused by {paused['by']} ({paused['why']}), {span(found['left'])} left"
    )


@session.command()
@click.argument("session_id", metavar="SESSION")
@json_option
@click.pass_context
def resume(ctx: click.Context, session_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Let a paused session go on."""
    with client(ctx) as supervisor:
        found = supervisor.call("session.resume", session=session_id)
    if as_json:
        print_json(found)
        return
    click.echo(f"session {found['id']} is {found['state']}, {span(found['left'])} left")


def _one(reader: Reader, name: str) -> dict[str, Any]:
    from supervisor.cli.unwatched import whole

    row = reader.session(name) or next(iter(reader.sessions(1, task=name)), None)
    if row is None:
        raise click.ClickException(f'no session "{name}"; `leasehold session list --all` names them')
    return whole(reader, row)


def _listed(reader: Reader, ended: int) -> dict[str, Any]:
    from supervisor.cli.unwatched import unwatched
    from supervisor.daemon.verbs.sessions import row_summary

    living = unwatched(reader)
    named = {session["id"] for session in living}
    rows = reader.sessions(ended) if ended else []
    return {"sessions": living + [row_summary(row) for row in rows if row.id not in named]}


def _ended(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"session {found['session']} {ended_as(found['outcome'], found['sentence'])}")
