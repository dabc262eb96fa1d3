"""leasehold doctor: what this host can enforce, tried and not assumed."""

from __future__ import annotations

import sys
from typing import Any

import click

from supervisor.cli.show import json_option, print_json


@click.command()
@json_option
def doctor(as_json: bool) -> None:  # noqa: FBT001
    """Say what this host can enforce, and what it cannot.

    Tries a commit that must be refused in a throw-away repository. Exit code 1 when the gate does not hold.
    """
    import anyio

    from supervisor.daemon.self_test import probe_level
    from supervisor.world.level import Level, look_at_tools

    level, seen = anyio.run(probe_level)
    findings = look_at_tools()
    if as_json:
        document: dict[str, Any] = {
            "level": level.name.lower(),
            "told": level.told,
            "seen": seen,
            "findings": [
                {"name": f.name, "good": f.good, "told": f.told, "way_out": f.way_out} for f in findings
            ],
        }
        print_json(document)
    else:
        click.echo(f"enforcement: {level.told}")
        click.echo(f"  seen: {seen}")
        for finding in findings:
            mark = "ok " if finding.good else "NO "
            fix = f"; {finding.way_out}" if finding.way_out else ""
            click.echo(f"{mark} {finding.name}: {finding.told}{fix}")
    sys.exit(0 if level >= Level.HOOKS else 1)
