"""How the guard of a session holds its writes to its leases."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from supervisor.core.decisions.tables import Tables
from supervisor.core.sessions.roster import Intent
from supervisor.daemon.workshop import Workshop
from supervisor.world.git.aliases import aliases
from supervisor.world.git.hooks import environment as gate_environment
from supervisor.world.git.hooks import install_hooks, needed, own_hooks
from supervisor.world.git.repository import Repository
from supervisor.world.launch.spec import GuardSpec
from supervisor.world.level import Level


async def guard_of(
    shop: Workshop,
    tables: Tables,
    intent: Intent,
    repo: Repository,
    checkout: Path,
    base: Mapping[str, str],
) -> GuardSpec | None:
    """Return how the session's writes are held to its leases; `None` where the level does not reach so far."""
    settings = shop.settings
    git = shutil.which("git")
    if shop.footing.level < Level.KERNEL or settings.guard.mode == "off" or git is None:
        return None
    hooks = shop.hooks / f"guarded-{intent.repo}"
    install_hooks(hooks, needed(repo))
    return GuardSpec(
        name=intent.repo,
        root=repo.root,
        git=git,
        git_dir=repo.common_dir,
        control=shop.control,
        token=intent.capability,
        aliases=await aliases(repo),
        wait=settings.guard.wait,
        git_wait=settings.guard.git_wait,
        patience=0.0 if settings.guard.away == "closed" else settings.guard.away_wait,
        open_when_away=settings.guard.away == "open",
        keep_dumpable=settings.guard.keep_dumpable,
        required=settings.leases.required_level == "kernel",
        leases=tables.broker.held(intent.session),
        hooks=hooks,
        spare_hooks=shop.hooks,
        own_hooks=own_hooks(repo),
        env=_under_guard(repo, hooks, base),
        target=intent.target,
        checkout=checkout if intent.target else None,
        others=repo.root.parent if intent.target else None,
    )


# Begin the names of the variables that name the folder of the hooks.
_GATE_FILES = ("GIT_CONFIG_VALUE_", "GIT_CONFIG_PARAMETERS")


def _under_guard(repo: Repository, hooks: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Return what is different for a session once its guard is in place.

    It sees to git's turns, and to branches where they are files: then hooks need not.
    """
    env = {name: base[name] for name in ("PATH", "LEASEHOLD_GATE_WAIT") if name in base}
    if not (repo.common_dir / "reftable").exists():
        env["LEASEHOLD_GATE"] = "guard"
        ours = gate_environment(repo, hooks, base)
        env |= {name: value for name, value in ours.items() if name.startswith(_GATE_FILES)}
    return env
