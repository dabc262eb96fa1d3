"""leasehold doctor: what this host can enforce, tried and not assumed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from supervisor.cli.show import json_option, print_json

if TYPE_CHECKING:
    from supervisor.world.config.models import Settings
    from supervisor.world.launch.ladder import Ladder
    from supervisor.world.level import Finding, Level


@click.command()
@click.option("--canary", is_flag=True, help="Let two real sessions collide, and nothing else.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, canary: bool, as_json: bool) -> None:  # noqa: FBT001
    """Say what this host can enforce, and what it cannot.

    Tries a commit that must be refused in a throw-away repository, and each way to hold a session's processes
    together, and what a confined session could write. Exit code 1 when the gate, or the launcher that is configured, does not hold.

    With --canary a supervisor runs two sessions in a throw-away repository, the second of which writes to a file
    that the first has written to; it takes a few seconds. Exit code 1 when the file was changed.
    """
    import os

    if canary:
        _collide(as_json=as_json)
    import anyio

    from supervisor.world.control.loop import LOOP
    from supervisor.world.harness.installed import look_at_harnesses
    from supervisor.world.launch.ladder import LadderError
    from supervisor.world.level import Level, look_at_tools
    from supervisor.world.logs import configure_logs
    from supervisor.world.stock import look_at_stock
    from supervisor.world.systemd.install.look import look_at_systemd

    configure_logs("console", "warning", sys.stderr)
    settings = _settings(ctx)
    try:
        ladder, level, seen, tried = anyio.run(_try_all, settings, backend_options=LOOP)
    except LadderError as error:
        raise click.ClickException(str(error)) from error
    findings = [
        *_running(ctx),
        *look_at_tools(),
        *look_at_harnesses(os.environ),
        *_limits(settings, ladder),
        *look_at_systemd(os.environ),
        *look_at_stock(settings),
        *tried,
    ]
    if as_json:
        print_json(
            {"level": level.name.lower(), "told": level.told, "seen": seen, **_document(ladder, findings)}
        )
    else:
        click.echo(f"enforcement: {level.told}")
        click.echo(f"  seen: {seen}")
        for line in _lines(ladder):
            click.echo(line)
        for finding in findings:
            mark = "ok " if finding.good else "NO "
            fix = f"; {finding.way_out}" if finding.way_out else ""
            click.echo(f"{mark} {finding.name}: {finding.told}{fix}")
    sys.exit(0 if level >= Level.HOOKS else 1)


def _collide(*, as_json: bool) -> NoReturn:
    import os

    from supervisor.demo.canary import CanaryError, collide

    try:
        found = collide(os.environ)
    except CanaryError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(found.as_json())
    else:
        click.echo("\n".join(found.lines()))
    sys.exit(0 if found.bites else 1)


def _running(ctx: click.Context) -> list[Finding]:
    """Return what the supervisor that runs says of itself: it may be another account's, in another sandbox."""
    from supervisor.cli.connect import client
    from supervisor.world.control.client import Refused, Unreachable
    from supervisor.world.level import Finding

    try:
        with client(ctx, timeout=5.0) as supervisor:
            found = supervisor.call("status")
    except (click.ClickException, Refused, Unreachable):
        return []
    short = "" if found["level"] == "kernel" else f" ({found['level_seen']})"
    told = f"pid {found['pid']} runs at level {found['level']}{short}; {found['rung_told']}"
    return [Finding("supervisor", good=found["level"] != "none", told=told)]


def _settings(ctx: click.Context) -> Settings | None:
    """Return the configuration, or `None` where there is none: the host can be looked at all the same."""
    import os
    from pathlib import Path

    from supervisor.world.config.discover import DiscoverError, find_config
    from supervisor.world.config.load import ConfigError, load

    try:
        return load(find_config(ctx.find_root().obj.get("config"), os.environ, Path.cwd()), os.environ)
    except DiscoverError:
        return None
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


async def _try_all(settings: Settings | None) -> tuple[Ladder, Level, str, list[Finding]]:
    """Try everything in one event loop: a rung's connection to its service manager belongs to the loop it was made in."""
    from supervisor.daemon.confine_findings import look_at_confinement
    from supervisor.daemon.recovery.stray_findings import look_for_strays
    from supervisor.daemon.self_test import probe_level

    ladder = await _climb(settings)
    guard = settings is None or settings.guard.mode != "off"
    level, seen = await probe_level(guard=guard, below=ladder.bite)
    findings = [*await look_at_confinement(settings), *await look_for_strays(settings, ladder)]
    return ladder, level, seen, findings


async def _climb(settings: Settings | None) -> Ladder:
    import os
    import tempfile
    from pathlib import Path

    from supervisor.world.launch.climb import climb
    from supervisor.world.launch.installation import Installation

    # An id of its own: the state directory's is made by its owner, who need not be the one who asks.
    mark = f"doctor-{os.getpid()}"
    if settings is not None:
        place = settings.supervisor
        here = Installation(mark, place.state_dir / "sessions", place.runtime_dir / "workers")
        return await climb(place.launcher, here)
    try:
        with tempfile.TemporaryDirectory(prefix=f"leasehold-{mark}-") as folder:
            return await climb("auto", Installation(mark, Path(folder), Path(folder)))
    except FileNotFoundError as error:
        raise click.ClickException(
            f"{error.strerror}; set TMPDIR to a directory that may be written to"
        ) from error


def _limits(settings: Settings | None, ladder: Ladder) -> list[Finding]:
    from supervisor.daemon.harness_limits import not_kept
    from supervisor.world.launch.rung import Rung
    from supervisor.world.level import Finding

    if settings is None:
        return []
    units = "give the service manager the cgroup controllers memory and pids"
    others = "run sessions as units, or where cgroup2 has the controllers memory and pids"
    return [
        Finding(
            key,
            good=False,
            told=f"no session is limited: the rung of {ladder.rung.value} has no controller for it here",
            way_out=units if ladder.rung in {Rung.SYSTEM_UNITS, Rung.USER_UNITS} else others,
        )
        for key in not_kept(settings, ladder)
    ]


def _lines(ladder: Ladder) -> list[str]:
    from supervisor.world.launch.rung import Rung

    lines = [f"processes: {ladder.rung.told}"]
    if ladder.rung.cannot:
        lines.append(f"  cannot: {ladder.rung.cannot}")
    for trial in ladder.trials:
        kept = f"; limits {' and '.join(sorted(trial.limits)) or 'neither memory nor pids'}"
        if not trial.holds or trial.rung is Rung.SWEEP:
            kept = ""
        used = " (chosen)" if trial.rung is ladder.rung else ""
        lines.append(f"  {'ok ' if trial.holds else 'NO '} {trial.rung.value}{used}: {trial.told}{kept}")
    return lines


def _document(ladder: Ladder, findings: list[Finding]) -> dict[str, Any]:
    return {
        "rung": ladder.rung.value,
        "rung_told": ladder.rung.told,
        "rung_cannot": ladder.rung.cannot,
        "rungs": [
            {"rung": t.rung.value, "holds": t.holds, "told": t.told, "limits": sorted(t.limits)}
            for t in ladder.trials
        ],
        "findings": [
            {"name": f.name, "good": f.good, "told": f.told, "way_out": f.way_out} for f in findings
        ],
    }
