"""Trying what the host offers to sessions, before any is started."""

from __future__ import annotations

from supervisor.daemon.harness_limits import say_what_is_not_kept
from supervisor.daemon.self_test import probe_confinement, probe_level
from supervisor.daemon.templates import say_what_is_misspelt
from supervisor.world.config.models import Settings
from supervisor.world.footing import Footing
from supervisor.world.launch.climb import climb
from supervisor.world.launch.installation import installation_of
from supervisor.world.launch.ladder import Ladder, LadderError
from supervisor.world.level import Level, LevelError


async def find_footing(settings: Settings) -> Footing:
    """Try what holds on this host.

    Raises:
        LevelError: the configuration requires a higher level, or confines sessions where the kernel cannot.
        LadderError: it names a launcher that does not hold.
    """
    ladder = await _ladder(settings)
    level, seen = await _level(settings, ladder)
    await require_confinement(settings)
    return Footing(level, seen, ladder)


async def _level(settings: Settings, ladder: Ladder) -> tuple[Level, str]:
    level, seen = await probe_level(guard=settings.guard.mode != "off", below=ladder.bite)
    if level is Level.HOOKS and _all_apart(settings):
        level = Level.WORKTREE
    required = Level[settings.leases.required_level.upper()]
    if level < required:
        raise LevelError(
            f"leases.required_level is {required.name.lower()}, but this host holds {level.name.lower()}: {seen}; "
            "`leasehold doctor` says more"
        )
    return level, seen


async def require_confinement(settings: Settings) -> None:
    """Refuse before any session ends for want of it.

    Raises:
        LevelError: the configuration confines sessions where the kernel cannot; the message names the key.
    """
    confining = [name for name, repo in settings.repos.items() if repo.confine]
    if not confining or not any(harness.confine for harness in settings.harness.values()):
        return
    bite = await probe_confinement()
    if not bite.holds:
        raise LevelError(
            f"repos.{confining[0]}.confine is true, but {bite.told}; "
            "take it out, or use a kernel with Landlock; `leasehold doctor` says more"
        )


def _all_apart(settings: Settings) -> bool:
    """Tell whether every session has a work tree of its own."""
    return bool(settings.repos) and all(repo.isolation == "worktree" for repo in settings.repos.values())


async def _ladder(settings: Settings) -> Ladder:
    place = settings.supervisor
    try:
        here = installation_of(place.state_dir, place.runtime_dir / "workers")
    except OSError as error:
        raise LadderError(
            f"{error.filename} cannot be used: {error.strerror}; supervisor.state_dir must be a directory that "
            "this user may write to"
        ) from error
    ladder = await climb(place.launcher, here)
    say_what_is_not_kept(settings, ladder)
    say_what_is_misspelt(settings)
    return ladder
