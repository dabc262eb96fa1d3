"""leasehold run: the supervisor in the foreground."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supervisor.cli.show import DURATION

if TYPE_CHECKING:
    from supervisor.world.early_signals import EarlySignals
    from supervisor.world.systemd.attached import Attached


@click.command()
@click.option(
    "-c", "--config", "config", type=click.Path(dir_okay=False), metavar="FILE", help="Configuration file."
)
@click.option(
    "--until-idle", is_flag=True, help="End when nothing is left to do; exit 1 if tasks are left undone."
)
@click.option(
    "--patience",
    type=DURATION,
    default="15m",
    show_default=True,
    help="With --until-idle: how long to wait for an account or harness that cannot be used and does not tell until when.",
)
@click.option("--recover", is_flag=True, help="Move a damaged journal aside and begin a new one.")
@click.pass_context
def run(ctx: click.Context, config: str | None, until_idle: bool, patience: float, recover: bool) -> None:  # noqa: FBT001  - click's flag
    """Run the supervisor in the foreground.

    Signals: HUP reloads, USR1 re-ranks, USR2 toggles draining, TERM ends by supervisor.on_stop,
    RTMIN leaves the sessions to the next supervisor, QUIT writes the state to the log. Ctrl-C drains; again: stops the sessions; again: kills them.
    """
    from supervisor.world.early_signals import EarlySignals

    early = EarlySignals()
    early.listen()  # before the long imports: a signal must not kill what cannot answer it yet
    from supervisor.world.systemd.attached import attach

    attached = attach(os.environ, os.getpid())
    named = config or ctx.find_root().obj.get("config")
    try:
        code, left = _supervise(
            named, attached, early, until_idle=until_idle, patience=patience, recover=recover
        )
    except click.ClickException as error:
        attached.give_up(error.message)
        raise
    if left:
        click.echo("left undone:", err=True)
        for line in left:
            click.echo(f"  {line}", err=True)
    sys.exit(code)


def _supervise(
    named: str | None,
    attached: Attached,
    early: EarlySignals,
    *,
    until_idle: bool,
    patience: float,
    recover: bool,
) -> tuple[int, list[str]]:
    """Run the supervisor to its end; return its exit code and what is left undone.

    Raises:
        click.ClickException: it cannot start, or cannot go on; one line says why.
    """
    import anyio

    with _without_plugins():
        from supervisor.world.config.load import ConfigError, load
    from supervisor.core.leases.scope import ScopeError
    from supervisor.core.pacing.cadence import ScheduleError
    from supervisor.daemon.run import supervise
    from supervisor.world.config.discover import DiscoverError, find_config
    from supervisor.world.control.errors import ListenError
    from supervisor.world.control.loop import LOOP
    from supervisor.world.descriptors import raise_limit
    from supervisor.world.failpoint import arm_failpoints
    from supervisor.world.git.hooks import HooksError
    from supervisor.world.git.repository import RepositoryError
    from supervisor.world.journal.errors import JournalError
    from supervisor.world.launch.ladder import LadderError
    from supervisor.world.level import LevelError
    from supervisor.world.logs import configure_logs

    try:
        path = find_config(named, os.environ, Path.cwd())
        settings = load(path, os.environ)
    except (DiscoverError, ConfigError) as error:
        raise click.ClickException(str(error)) from error
    try:
        arm_failpoints(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    raise_limit()
    lines = configure_logs(settings.supervisor.log_format, settings.supervisor.log_level)
    expected = (
        *(JournalError, ListenError, RepositoryError, HooksError),
        *(LadderError, LevelError, ScopeError, ScheduleError),
    )
    try:
        return anyio.run(
            lambda: supervise(
                settings,
                until_idle=until_idle,
                patience=patience,
                recover=recover,
                attached=attached,
                early=early,
            ),
            backend_options=LOOP,
        )
    except expected as error:
        raise click.ClickException(str(error)) from error
    except BaseExceptionGroup as group:
        matching, rest = group.split(expected)
        if matching is None or rest is not None:
            raise
        raise click.ClickException(str(_first(matching))) from group
    finally:
        lines.settle()


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep pydantic from searching all installed distributions for plug-ins: a tenth of a second of each start."""
    name, before = "PYDANTIC_DISABLE_PLUGINS", os.environ.get("PYDANTIC_DISABLE_PLUGINS")
    os.environ[name] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]  # what a session's environment is made from
        else:
            os.environ[name] = before
