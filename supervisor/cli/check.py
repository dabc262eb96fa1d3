"""leasehold check: whether the configuration is valid, and whether this host can run it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from supervisor.cli.show import json_option, print_json

if TYPE_CHECKING:
    from supervisor.world.config.host import HostReport
    from supervisor.world.config.models import Settings


@click.command()
@click.option(
    "-c", "--config", "config", type=click.Path(dir_okay=False), metavar="FILE", help="Configuration file."
)
@click.option("--show", is_flag=True, help="Print every value in force, defaults and environment included.")
@json_option
@click.pass_context
def check(ctx: click.Context, config: str | None, show: bool, as_json: bool) -> None:  # noqa: FBT001  - click's flags
    """Validate the configuration.

    Looks at the file, the variables LEASEHOLD__SECTION__KEY that outrank it, and this host: repositories,
    programs, folders. Prints one line for each problem and exits with 1 if there is any.
    """
    import anyio

    from supervisor.world.config.discover import DiscoverError, find_config
    from supervisor.world.config.host import look_at_host
    from supervisor.world.config.load import ConfigError, load, place, read_text

    named = config or (ctx.find_root().obj or {}).get("config")
    try:
        path = find_config(named, os.environ, Path.cwd())
    except DiscoverError as error:
        _end(as_json, {"config": named, "problems": [str(error)]})
    try:
        settings = load(path, os.environ)
        text = read_text(path)
    except ConfigError as error:
        _end(as_json, {"config": str(path), "problems": list(error.problems)})
    host = anyio.run(look_at_host, settings, os.environ)
    document: dict[str, Any] = {
        "config": str(path),
        "problems": [f"{place(path, text, fault.where)}: {fault.what}" for fault in host.faults],
        "warnings": [f"{place(path, text, fault.where)}: {fault.what}" for fault in host.warnings],
        "summary": _summary(settings, host),
    }
    if show:
        from supervisor.world.config.effective import effective

        document["settings"] = effective(settings)
    _end(as_json, document)


def _summary(settings: Settings, host: HostReport) -> dict[str, list[str]]:
    from supervisor.core.duration import format_duration
    from supervisor.world.config.discover import socket_path
    from supervisor.world.config.harness_program import first_program

    return {
        "repos": [
            f"{name}: {repository.root}, {f'branch {repository.branch}' if repository.branch else 'HEAD detached'}"
            for name, repository in host.repositories.items()
        ],
        "harness": [
            f"{name}: {first_program(harness)[0]}{f' ({harness.model})' if harness.model else ''}, budget {format_duration(harness.budget)}"
            for name, harness in settings.harness.items()
        ],
        "sources": [
            f"{name}: {source.kind}" + (f" {source.path}" if source.path else "")
            for name, source in settings.sources.items()
        ],
        "schedule": [
            f"{entry.name}: {entry.cron} {entry.timezone}"
            if entry.cron
            else f"{entry.name}: every {format_duration(entry.every or 0.0)}"
            for entry in settings.schedule
        ],
        "state": [str(settings.supervisor.state_dir)],
        "socket": [str(socket_path(settings))],
    }


def _other_account(config: str | None) -> str:
    """Say whose eyes count when the host's service reads this configuration as another account."""
    import pwd

    from supervisor.world.systemd.install.look import account_of

    account = account_of(Path(config)) if config else None
    me = pwd.getpwuid(os.geteuid()).pw_name
    if account in {None, me}:
        return ""
    return f"leasehold.service reads this file as {account}, and you are {me}: `sudo -u {account} leasehold check` sees what it sees"


def _end(as_json: bool, document: dict[str, Any]) -> NoReturn:  # noqa: FBT001  - handed on from the flag
    """Print what was found, and end with the exit code for it."""
    problems = document["problems"]
    if as_json:
        print_json({"ok": not problems, "warnings": [], **document})
        sys.exit(1 if problems else 0)
    for line in problems:
        click.echo(line, err=True)
    for line in document.get("warnings", ()):
        click.echo(f"warning: {line}", err=True)
    if problems and (other := _other_account(document["config"])):
        click.echo(other, err=True)
    if "settings" in document:
        from supervisor.world.config.effective import as_toml

        click.echo(as_toml(document["settings"]), nl=False)
    elif not problems:
        click.echo(f"{document['config']}: OK")
        for name, lines in document["summary"].items():
            for number, line in enumerate(lines):
                click.echo(f"  {'' if number else name:<9} {line}")
    sys.exit(1 if problems else 0)
