"""What doctor says of confining sessions: whether this kernel can, and whether the configuration lets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from supervisor.daemon.self_test import probe_confinement
from supervisor.world.config.checkout import CheckoutError, checkout_root
from supervisor.world.config.models import Settings
from supervisor.world.config.repos import RepoSettings
from supervisor.world.launch.confinement import Apart, fault_of_temporary
from supervisor.world.launch.environment import session_base
from supervisor.world.level import Finding

_NAME = "confinement"


async def look_at_confinement(settings: Settings | None) -> list[Finding]:
    """Return what stands in the way of `repos.NAME.confine`, used or not."""
    bite = await probe_confinement()
    way_out = (
        "" if bite.holds else "use a kernel with Landlock (5.13 or newer, with landlock in its lsm= list)"
    )
    found = [Finding(_NAME, good=bite.holds, told=bite.told, way_out=way_out)]
    for name, repo in settings.repos.items() if settings is not None else ():
        if settings is not None and repo.confine:
            found += [*_missing(name, repo), *_temporary(settings, name, repo)]
    return found


def _missing(name: str, repo: RepoSettings) -> Iterator[Finding]:
    for place in repo.confine_writable:
        if not place.exists():
            yield Finding(
                f"repos.{name}.confine_writable",
                good=False,
                told=f"{place} does not exist, so confined sessions cannot make it",
                way_out="make it, or take it out of the list",
            )


def _temporary(settings: Settings, name: str, repo: RepoSettings) -> Iterator[Finding]:
    try:
        checkout = checkout_root(repo.path)
    except CheckoutError:
        return  # told elsewhere
    apart = Apart(checkout, Path(settings.supervisor.state_dir, "worktrees", name))
    for harness, chosen in settings.harness.items():
        fault = fault_of_temporary(apart, session_base(os.environ) | chosen.env) if chosen.confine else ""
        if fault:
            yield Finding(
                f"repos.{name}.confine",
                good=False,
                told=f"no session of harness {harness} can start there",
                way_out=fault,
            )
