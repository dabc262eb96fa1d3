"""leasehold systemd install and uninstall."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.show import json_option, print_json

if TYPE_CHECKING:
    from supervisor.world.systemd.install.installed import Installation
    from supervisor.world.systemd.install.plan import Plan
    from supervisor.world.systemd.install.runner import Runner
    from supervisor.world.systemd.install.site import Site


@click.group()
def systemd() -> None:
    """Install or uninstall the systemd units."""


@systemd.command()
@click.option("-c", "--config", type=click.Path(dir_okay=False), metavar="FILE", help="Configuration file.")
@click.option("--user", is_flag=True, help="For your own service manager instead of the system's.")
@click.option(
    "--run-as",
    metavar="USER",
    help="The account of supervisor and sessions [default: the same as before, else leasehold, made if needed].",
)
@click.option("--dry-run", is_flag=True, help="Print every file and command, and do nothing.")
@json_option
@click.pass_context
def install(
    ctx: click.Context,
    config: str | None,
    user: bool,  # noqa: FBT001  - click's flags
    run_as: str | None,
    dry_run: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write the units, let the new version check itself, and start or restart the service.

    Without --user, as root: the configuration is /etc/leasehold/config.toml unless -c names one. Run it
    again, without options, after an upgrade or a change of the configuration: sessions go on, and when the
    check fails the old version does too. What you want different belongs into drop-ins (`systemctl edit`), which stay.
    """
    from supervisor.world.systemd.install.apply import apply_install, is_active, version_of
    from supervisor.world.systemd.install.installed import Installation, look_at_installation
    from supervisor.world.systemd.install.plan import plan_install
    from supervisor.world.systemd.install.prepare import prepare, refuse_by_hand
    from supervisor.world.systemd.install.site import SERVICE, SOCKET

    if user and run_as:
        raise click.UsageError("--run-as is for the system's service manager; your own runs as you")
    named = config or ctx.find_root().obj.get("config")
    with _told_in_one_line():
        site, environ, run = _site(user=user, dry_run=dry_run)
        before = look_at_installation(site)
        if isinstance(before, Installation):  # an upgrade: what is not said anew stays as it is
            named, run_as = named or str(before.config), run_as or (None if user else before.account)
        path = _config(site, named, environ)
        systemd_version = 0 if dry_run and not _has_systemctl() else version_of(run)
        prepared = prepare(site, path, run_as, environ, systemd_version)
        if not dry_run:
            _refuse(prepared.against)
        running = not dry_run and is_active(site, SERVICE, run)
        if not dry_run and not running and not is_active(site, SOCKET, run):
            refuse_by_hand(prepared.wanted.settings)
        plan = plan_install(site, prepared.wanted, running=running)
        if not dry_run:
            apply_install(plan, run)
    if as_json:
        print_json(_as_json(plan, dry_run=dry_run, against=prepared.against, notes=prepared.notes))
        return
    for line in prepared.against:
        click.echo(f"would be refused: {line}", err=True)
    for line in prepared.notes:
        click.echo(f"note: {line}", err=True)
    if dry_run:
        _print_plan(plan)
    else:
        _say_installed(plan, running=running)


@systemd.command()
@click.option("--user", is_flag=True, help="From your own service manager instead of the system's.")
@click.option("--dry-run", is_flag=True, help="Print every file and command, and do nothing.")
@json_option
def uninstall(user: bool, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001
    """Stop the service by supervisor.on_stop and take the units out.

    State, logs, the configuration and the account stay. Sessions that on_stop leaves go on.
    """
    from supervisor.world.systemd.install.apply import apply_uninstall, living_sessions
    from supervisor.world.systemd.install.files import foreign_paths, installed_paths, left_over
    from supervisor.world.systemd.install.plan import plan_uninstall, timers_query

    with _told_in_one_line():
        site, _, run = _site(user=user, dry_run=dry_run)
        found = _found(site)
        query = timers_query(site)
        listed = "" if dry_run and not _has_systemctl() else run(query.argv, query.seconds).text
        timers = [line.split()[0] for line in listed.splitlines() if line.startswith("leasehold-launch@")]
        removal = plan_uninstall(site, found, timers)
        paths = [str(path) for path in installed_paths(site)]
        others = [str(path) for path in (*foreign_paths(site), *left_over(map(Path, paths)))]
        sessions: tuple[str, ...] = ()
        if not dry_run:
            apply_uninstall(site, removal, run)
            sessions = living_sessions(site, run)
    commands = [shlex.join(step.argv) for step in (*removal.stop, *removal.after)]
    stays = [str(found.state), str(found.config), *others]
    if not user:
        stays.append(f"account {found.account}")
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "removed": paths,
                "commands": commands,
                "left": stays,
                "running": list(sessions),
            }
        )
        return
    for line in paths:
        click.echo(f"{'would remove' if dry_run else 'removed'} {line}")
    if dry_run:
        for line in commands:
            click.echo(f"would run {line}")
    for line in stays:
        click.echo(f"stays: {line}")
    for unit in sessions:
        click.echo(f"still runs: {unit} (`leasehold run` or a new installation takes it over)")


@contextlib.contextmanager
def _told_in_one_line() -> Iterator[None]:
    from supervisor.world.systemd.install.errors import InstallError

    try:
        yield
    except InstallError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _refuse(against: Iterable[str]) -> None:
    from supervisor.world.systemd.install.errors import InstallError

    if lines := list(against):
        raise InstallError("\n".join(lines))


def _found(site: Site) -> Installation:
    from supervisor.world.systemd.install.errors import InstallError
    from supervisor.world.systemd.install.files import installed_paths
    from supervisor.world.systemd.install.installed import Foreign, look_at_installation

    found = look_at_installation(site)
    if found is None and (parts := installed_paths(site)):
        raise InstallError(
            f"an installation for the {site.name}'s service manager did not get to its end ({parts[0]} is there); "
            "`leasehold systemd install` goes on with it, then it can be taken out"
        )
    if found is None:
        raise InstallError(f"nothing is installed for the {site.name}'s service manager ({site.units})")
    if isinstance(found, Foreign):
        raise InstallError(f"{found.path} was not written by `leasehold systemd install`; it stays")
    return found


def _site(*, user: bool, dry_run: bool) -> tuple[Site, dict[str, str], Runner]:
    from supervisor.world.systemd.install.errors import InstallError
    from supervisor.world.systemd.install.obstacles import of_host
    from supervisor.world.systemd.install.runner import HostRunner
    from supervisor.world.systemd.install.site import system_site, user_site, with_runtime

    environ = dict(os.environ)
    site = user_site(environ) if user else system_site()
    if not dry_run:
        _refuse(of_host(site))
    if not user:
        return site, environ, HostRunner(environ)
    try:
        environ = with_runtime(environ)
    except InstallError as error:
        if not dry_run:
            raise
        click.echo(f"would be refused: {error}", err=True)
    return site, environ, HostRunner(environ)


def _config(site: Site, named: str | None, environ: dict[str, str]) -> Path:
    from supervisor.world.config.discover import DiscoverError, find_config
    from supervisor.world.systemd.install.prepare import system_config

    if not site.user:
        return system_config(named, environ, Path.cwd())
    try:
        return find_config(named, environ, Path.cwd())
    except DiscoverError as error:
        raise click.ClickException(str(error)) from error


def _has_systemctl() -> bool:
    import shutil

    return shutil.which("systemctl") is not None


def _as_json(
    plan: Plan, *, dry_run: bool, against: tuple[str, ...], notes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "manager": plan.site.name,
        "dry_run": dry_run,
        "against": list(against),
        "notes": list(notes),
        "files": [
            {"path": str(file.path), "changed": file in plan.changed, "text": file.text}
            for file in plan.files
        ],
        "commands": [list(step.argv) for step in plan.steps()],
    }


def _print_plan(plan: Plan) -> None:
    for file in plan.files:
        click.echo(f"# {file.path}{'' if file in plan.changed else ' (as it is)'}")
        click.echo(file.text)
    for step in plan.steps():
        click.echo(f"would run {shlex.join(step.argv)}")


def _say_installed(plan: Plan, *, running: bool) -> None:
    for file in plan.changed:
        click.echo(f"wrote {file.path}")
    if running and not plan.changed:
        click.echo("nothing to change; leasehold.service runs")
    elif running:
        click.echo("leasehold.service runs the new version; sessions were not touched")
    else:
        click.echo("leasehold.service runs, and will at every start of the host")
