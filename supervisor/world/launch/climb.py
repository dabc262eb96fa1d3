"""Finding the rung: each is tried, strongest first, and none is believed before it held."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from supervisor.world.cgroups.hierarchy import CgroupError, unit_around
from supervisor.world.cgroups.probe import find_base
from supervisor.world.launch.grouped import CgroupLauncher
from supervisor.world.launch.installation import Installation
from supervisor.world.launch.ladder import Ladder, LadderError, Trial
from supervisor.world.launch.launcher import Launcher
from supervisor.world.launch.local import LocalLauncher
from supervisor.world.launch.rung import Rung
from supervisor.world.threads import in_thread

BOOTED = Path("/run/systemd/system")  # there exactly when systemd is the service manager (sd_booted(3))

OUR_UNIT = "leasehold.service"

Wanted = Literal["auto", "systemd", "cgroup", "sweep"]

_RUNGS = {
    "auto": tuple(Rung),
    "systemd": (Rung.SYSTEM_UNITS, Rung.USER_UNITS),
    "cgroup": (Rung.CGROUP,),
    "sweep": (Rung.SWEEP,),
}


async def climb(wanted: Wanted, here: Installation) -> Ladder:
    """Try every rung and return the ladder, with new sessions on the strongest that is wanted and holds.

    Those below it and beside it are kept for sessions that an earlier supervisor started on them.

    Raises:
        LadderError: none of the wanted ones holds.
    """
    launchers: dict[Rung, Launcher] = {}
    trials = []
    for rung in Rung:
        trial, launcher = await _try(rung, here)
        trials.append(trial)
        if trial.holds and launcher is not None:
            launchers[rung] = launcher
    for rung in _RUNGS[wanted]:
        if rung in launchers:
            if wanted == "auto" and rung is Rung.SWEEP and unit_around() == OUR_UNIT:
                raise LadderError(_would_end_with_us(trials))
            return Ladder(rung, launchers, tuple(trials))
    whys = "; ".join(f"{trial.rung.value}: {trial.told}" for trial in trials if trial.rung in _RUNGS[wanted])
    raise LadderError(
        f'supervisor.launcher is "{wanted}", which does not hold here ({whys}); "auto" takes what holds'
    )


def _would_end_with_us(trials: list[Trial]) -> str:
    whys = "; ".join(f"{trial.rung.value}: {trial.told}" for trial in trials if not trial.holds)
    return (
        f"no session can be started so that it outlives {OUR_UNIT} ({whys}); "
        'supervisor.launcher = "sweep" runs them all the same'
    )


async def _try(rung: Rung, here: Installation) -> tuple[Trial, Launcher | None]:
    match rung:
        case Rung.SYSTEM_UNITS | Rung.USER_UNITS:
            return await _try_units(rung, here)
        case Rung.CGROUP:
            try:
                base = await in_thread(find_base, here.id)
            except CgroupError as error:
                return Trial(rung, holds=False, told=str(error)), None
            return Trial(rung, holds=True, told=f"below {base.path}", limits=base.limits), CgroupLauncher(
                base
            )
        case Rung.SWEEP:
            unit = unit_around()
            told = f"holds everywhere, but here sessions end with {unit}" if unit else "holds everywhere"
            return Trial(rung, holds=True, told=told), LocalLauncher(here.sessions)


async def _try_units(rung: Rung, here: Installation) -> tuple[Trial, Launcher | None]:
    if not BOOTED.exists():  # noqa: ASYNC240  - one stat of a file system in memory
        return Trial(rung, holds=False, told="systemd is not the service manager of this host"), None
    # What speaks to a bus is loaded where there may be one: it takes longer than all the rest of a start.
    from supervisor.world.launch.unit_probe import try_units  # noqa: PLC0415
    from supervisor.world.launch.units import UnitLauncher  # noqa: PLC0415
    from supervisor.world.systemd.service_manager import Scope, ServiceManager  # noqa: PLC0415

    manager = ServiceManager(Scope.SYSTEM if rung is Rung.SYSTEM_UNITS else Scope.USER)
    launcher = UnitLauncher(manager)
    trial = await try_units(launcher, manager, here)
    if not trial.holds:
        manager.close()
        return trial, None
    return trial, launcher
