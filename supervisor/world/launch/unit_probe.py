"""Whether sessions can run as units here, and the guard with them: tried with an instance that is no session."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import sys
from pathlib import Path

import anyio

import workers
from supervisor.core.sessions.budget import Budget
from supervisor.world.launch import records
from supervisor.world.launch.installation import Installation
from supervisor.world.launch.ladder import Trial
from supervisor.world.launch.launcher import LaunchError
from supervisor.world.launch.local import reap
from supervisor.world.launch.spec import SessionSpec
from supervisor.world.launch.tail import last_line
from supervisor.world.launch.units import PROBE, UnitLauncher, unit_of
from supervisor.world.level import Bite
from supervisor.world.systemd.bus import BusError
from supervisor.world.systemd.service_manager import Scope, ServiceManager, Unit

_TO_END = 15.0  # seconds; the program itself waits for no longer than ten


async def try_units(launcher: UnitLauncher, manager: ServiceManager, here: Installation) -> Trial:
    """Return whether the template that is installed starts sessions of this installation."""
    rung = launcher.rung
    session = f"{PROBE}{secrets.token_hex(4)}"
    try:
        unit = await manager.unit(unit_of(session), load=True)
    except BusError as error:
        return Trial(rung, holds=False, told=str(error))
    if why := _unfit(unit, manager.scope, here.sessions / session):
        return Trial(rung, holds=False, told=why)
    try:
        bite = await _run(launcher, session, here)
    except (LaunchError, records.RecordError) as error:
        return Trial(rung, holds=False, told=f"a unit was tried: {error}")
    return Trial(
        rung, holds=True, told="a unit was tried: it was started and ended", limits=_limits(), bite=bite
    )


def _unfit(unit: Unit | None, scope: Scope, folder: Path) -> str:
    template = unit_of("")
    flag = " --user" if scope is Scope.USER else ""
    if unit is None or unit.load == "not-found":
        return f"{template} is not installed; `leasehold systemd install{flag}` puts it in place"
    if unit.load != "loaded":
        return f"{template} cannot be used, systemd calls it {unit.load}"
    if str(folder) not in unit.command:
        other = Path(unit.command[-1]).parent.parent if unit.command else "nothing"
        return f"{template} is installed for another state directory, {other}"
    me = pwd.getpwuid(os.geteuid()).pw_name
    if scope is Scope.SYSTEM and (unit.user or "root") not in {me, str(os.geteuid())}:
        return f"{template} runs sessions as {unit.user or 'root'}, and this is {me}"
    return ""


async def _run(launcher: UnitLauncher, session: str, here: Installation) -> Bite:
    # The sandbox of a session is not the supervisor's: what its guard can do is seen below the unit only.
    folder = here.sessions / session
    spec = SessionSpec(
        session=session,
        task="probe",
        command=[sys.executable, "-I", "-S", str(Path(workers.__file__).parent), "guard-probe"],
        prompt="",
        env={"PATH": os.defpath},
        cwd=Path("/"),
        budget=Budget(wall=_TO_END, warn=0.0, grace=1.0),
        log_limit=64 << 10,
        socket=here.sockets / f"{session}.sock",
    )
    try:
        started = await launcher.start(spec, folder)
        try:
            with anyio.move_on_after(_TO_END):
                await anyio.wait_readable(started.pidfd)
        finally:
            reap(started.pidfd)
        record = records.read_exit(folder)
        said = last_line(folder / "out.log")
        return Bite(record.code == 0, said or f"the probe of the guard ended with {record.code}")
    finally:
        with anyio.CancelScope(shield=True):
            await launcher.tidy(session, folder)
        shutil.rmtree(folder, ignore_errors=True)
        spec.socket.unlink(missing_ok=True)


def _limits() -> frozenset[str]:
    """Return the controllers that the host has in either version: a manager uses those that it finds."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    found: set[str] = set()
    for line in mounts:
        _, place, kind, options, *_ = line.split(" ")
        if kind == "cgroup":
            found |= set(options.split(","))
        elif kind == "cgroup2":
            try:
                found |= set(Path(place, "cgroup.controllers").read_text(encoding="ascii").split())
            except OSError:
                continue
    return frozenset({"memory", "pids"} & found)
