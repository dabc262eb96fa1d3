"""leasehold demo."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supervisor.cli.show import json_option, print_json

if TYPE_CHECKING:
    from supervisor.demo.screen import Audience


@click.command()
@click.option(
    "--sessions", default=4, show_default=True, type=click.IntRange(1, 16), help="Sessions at once."
)
@click.option("--honour-claims", is_flag=True, help="Let the advisory side respect a denied claim.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Play in this new folder and keep it: repositories, logs, the supervisor's journal.",
)  # fmt: skip
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw the run as SVG."
)
@click.option("--pace", default=1.0, type=click.FloatRange(0.01, 10.0), hidden=True)
@json_option
def demo(
    sessions: int,
    honour_claims: bool,  # noqa: FBT001
    keep: Path | None,
    svg: Path | None,
    pace: float,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Watch four racing sessions, advisory and then under Leasehold.

    A real git repository with a small backlog and a file that an earlier session left uncommitted is
    built twice. Real concurrent processes work on it: first with claims and leases that nobody has to
    obey, then under the supervisor. Needs git, but no configuration, key or network; nothing is left
    behind. Exit code 0: under Leasehold every task was done once and nothing was lost.
    """
    from rich.console import Console

    from supervisor.demo.play import KeepError, play
    from supervisor.demo.recording import Recording
    from supervisor.demo.report import document, table, verdict
    from supervisor.demo.runs import Terms
    from supervisor.demo.scene import SceneError
    from supervisor.demo.screen import Lines, Nobody, Stage

    for name in [name for name in os.environ if name.startswith(("LEASEHOLD", "GIT_"))]:
        del os.environ[name]  # a session, hook or supervisor around us is to take no part
    console = Console(stderr=as_json, highlight=False)
    recording = Recording()

    def audience() -> AbstractContextManager[Audience]:
        if console.is_terminal:
            return recording.of(Stage(console).open())
        return recording.of(nullcontext(Nobody() if as_json else Lines(console)))

    try:
        outcome = play(Terms(sessions, pace, honour_claims), keep, os.environ, audience)
    except (SceneError, KeepError) as error:
        raise click.ClickException(str(error)) from error
    if svg is not None:
        recording.save(svg, table(outcome))
    if as_json:
        kept = str(keep.resolve()) if keep else None
        print_json(document(outcome, slots=sessions, pace=pace, kept=kept))
    else:
        console.print(table(outcome))
        if keep:
            click.echo(f"kept in {keep}")
    wrong = verdict(outcome)
    if wrong:
        click.echo(f"leasehold: demo: {'; '.join(wrong)}", err=True)
        sys.exit(1)
