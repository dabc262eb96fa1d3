"""leasehold status."""

from __future__ import annotations

from typing import Any

import click

from supervisor.cli.connect import client
from supervisor.cli.show import ago, clock, collisions, json_option, print_json, span


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Show the supervisor, its slots, backlog and collision account."""
    with client(ctx) as supervisor:
        found = supervisor.call("status")
    if as_json:
        print_json(found)
        return
    for line in lines(found):
        click.echo(line)


def _short_of(found: dict[str, Any]) -> str:
    return "" if found["level"] == "kernel" else f" ({found['level_seen']})"


def lines(found: dict[str, Any]) -> list[str]:
    """Return the status as lines of text."""
    slots = found["slots"]
    why = f" ({found['admission_why']})" if found["admission_why"] else ""
    text = [
        f"leasehold {found['version']}, pid {found['pid']}, up since {clock(found['started_at'])}",
        f"config       {found['config']} (generation {found['generation']})",
        f"admission    {found['admission']}{why}; {slots['taken']} of {slots['of']} slots taken",
        f"enforcement  {found['level_told']}{_short_of(found)}",
        f"processes    {found['rung_told']}",
        f"tasks        {_counts(found['tasks'])}",
        f"leases       {found['leases']} held, {found['lease_waiters']} waiting",
        f"collisions   {collisions(found['collisions'])}",
        f"next up      {', '.join(found['ranked_first']) or 'no task is ready'} (ranking {found['ranking']})",
    ]
    text += [
        f"CONFIG       not in force: {problem}; correct it and run `leasehold reload`"
        for problem in found["config_refused"]
    ]
    if late := found["waiting_for_reports"]:
        text.append(f"recovering   nothing is granted before these have reported: {', '.join(late)}")
    text += [f"unknown      session {session}: {why}" for session, why in found["unknown"].items()]
    text += [f"stray        session {session}: {why}" for session, why in found["strays"].items()]
    if signal := found["last_signal"]:
        text.append(f"last signal  {signal['signal']} {ago(signal['at'])}: {signal['answer']}")
    for job in found["integrations"]:
        why = f": {job['why']}" if job["why"] else ""
        text.append(f"integration  {job['session']} into {job['target']}, {job['stage']}{why}")
    text += [
        f"schedule     {schedule['name']}: next {clock(schedule['wakes_at'])}, {schedule['queued']} queued"
        for schedule in found["schedules"]
    ]
    text += [f"LANES        {told}" for told in found["lanes_told"]]
    text += [f"HARNESS      {told}" for told in found["harnesses_told"]]
    for quota in found["quotas"]:
        unknown = f"; {quota['untold']} sessions did not tell" if quota["untold"] else ""
        free = f"; used up, free in {span(quota['frees'] - found['at'])}" if quota["frees"] else ""
        text.append(f"quota        {quota['name']}: {quota['told']}{unknown}{free}")
    if found["disk"]:
        text.append(f"DISK         {found['disk']}")
    for repo, paths in found["orphans"].items():
        shown = ", ".join(paths[:5]) + (" …" if len(paths) > 5 else "")
        text.append(
            f"orphans      {repo}: uncommitted, of no session: {shown}; deal with them, then `leasehold reload`"
        )
    if found["plateau_warning"]:
        text.append(f"warning      {found['plateau_warning']['sentence']}")
    if found["journal_failure"]:
        text.append(f"JOURNAL      {found['journal_failure']}")
    text += [f"problem      {problem}" for problem in found["problems"]]
    for session in found["sessions"]:
        text.append(
            f"session      {session['id']} {session['state']}: {session['task']} on {session['harness']}, "
            f"{span(session['elapsed'])} of {span(session['budget'])}"
        )
    return text


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items() if count) or "none"
