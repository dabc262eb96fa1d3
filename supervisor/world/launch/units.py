"""The rungs of units: each session is an instance of an installed template of a service manager."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import anyio

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.cgroups import group
from supervisor.world.cgroups.hierarchy import CgroupError, look
from supervisor.world.launch import records
from supervisor.world.launch.launcher import Cleared, LaunchError, StartedWorker
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import OWN_CGROUP, Limits, SessionSpec, write_session_folder
from supervisor.world.launch.sweep import sweep_tagged
from supervisor.world.processes import open_pidfd
from supervisor.world.systemd.bus import BusError, RefusedError
from supervisor.world.systemd.service_manager import Scope, ServiceManager, Unit

_TO_START = 30.0  # seconds
_TO_STOP = 15.0
_TO_WRITE = 2.0  # seconds from a worker's lock to its record
PROBE = "probe-"  # the name of an instance that is no session begins with it
_HOW = {1: "exit status", 2: "signal", 3: "signal"}  # CLD_EXITED, CLD_KILLED, CLD_DUMPED of waitid(2)


def unit_of(session: str) -> str:
    """Return the name of a session's unit."""
    return f"leasehold-session@{session}.service"


class UnitLauncher:
    """Starts workers through a service manager, whose children they are; so nothing of ours takes them with it."""

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self.rung = Rung.SYSTEM_UNITS if manager.scope is Scope.SYSTEM else Rung.USER_UNITS

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        """Write the session's folder and start its unit; the worker has its socket once this returns.

        Raises:
            LaunchError: it did not start, and what comes late starts nothing.
        """
        unit = unit_of(spec.session)
        try:
            write_session_folder(replace(spec, cgroup=OWN_CGROUP, rung=self.rung), folder)
            spec.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchError(f"cannot start a worker: {error.strerror} ({error.filename})") from error
        try:
            if limits := _properties(spec.limits):
                await self._manager.limit(unit, limits)
            result = await self._manager.start(unit, _TO_START)
            why = f"its start ended as {result}"
        except BusError as error:
            why = str(error)
        # What became of it is written in the folder, also where the manager could not tell us.
        started = _written(folder)
        return started if started is not None else await self._late(unit, folder, why)

    async def clear(self, session: str, folder: Path) -> Cleared:
        """End the session's unit with all in it, then what got out of it but names the session."""
        return Cleared.of([await self._end(session), await sweep_tagged(session, folder)])

    async def tidy(self, session: str, folder: Path) -> Cleared:  # noqa: ARG002  - the protocol's
        """Wait until the unit is over, and let the manager forget it."""
        return await self._end(session)

    async def found(self) -> frozenset[str]:
        """Return the sessions whose units are loaded: running, or failed and not yet cleared away.

        Raises:
            LaunchError: the manager does not answer.
        """
        return await self._listed(running=False)

    async def alive(self) -> frozenset[str]:
        """Return the sessions whose units are not over.

        Raises:
            LaunchError: the manager does not answer.
        """
        return await self._listed(running=True)

    async def _listed(self, *, running: bool) -> frozenset[str]:
        try:
            names = await self._manager.names(unit_of("*"), running=running)
        except BusError as error:
            raise LaunchError(f"the units of sessions cannot be listed: {error}") from error
        instances = (name.partition("@")[2].removesuffix(".service") for name in names)
        return frozenset(instance for instance in instances if not instance.startswith(PROBE))

    async def _late(self, unit: str, folder: Path, why: str) -> StartedWorker:
        records.withdraw(folder)
        with anyio.move_on_after(_TO_WRITE):
            while records.lock_is_held(folder):
                if (started := _written(folder)) is not None:
                    return started
                await anyio.sleep(0.01)
        try:
            found = await self._manager.unit(unit)
            if found is not None:
                why += f" ({evidence(found)})" if found.result != "success" else ""
            await self._end(unit.partition("@")[2].removesuffix(".service"), worker_gone=False)
        except BusError:
            pass  # the reason is told already, and a withdrawn session starts nothing
        raise LaunchError(f"cannot start {unit}: {why}")

    async def _end(self, session: str, *, worker_gone: bool = True) -> Cleared:
        cleared = await self._stopped(unit_of(session), worker_gone=worker_gone)
        if not cleared.survivors:
            _forget_limits(self._manager.scope, unit_of(session))
        return cleared

    async def _bring_down(self, unit: str, *, patiently: bool) -> None:
        # Without a worker the manager ends the rest at once by itself, and then cleans up after the unit. A kill
        # of all that belongs to the unit would hit that too.
        if patiently:
            try:
                await self._manager.stop(unit, _TO_STOP)
            except RefusedError:
                raise
            except BusError:
                pass  # it takes too long
            else:
                return
        await self._manager.kill(unit, signal.SIGKILL)
        await self._manager.stop(unit, _TO_STOP)

    async def _stopped(self, unit: str, *, worker_gone: bool) -> Cleared:
        killed: tuple[int, ...] = ()
        try:
            found = await self._manager.unit(unit)
            if found is None:
                return Cleared()
            why = "" if found.result == "success" else evidence(found)
            if not found.over:
                killed = _members(found)
                await self._bring_down(unit, patiently=worker_gone)
                found = await self._manager.unit(unit)
            if found is not None and not found.over:
                return Cleared((), (f"{unit} is {found.active} ({found.sub}): {_named(found)}",), why)
            if found is not None and found.active == "failed":
                await self._manager.reset_failed(unit)
        except BusError as error:
            return Cleared((), (f"{unit} cannot be asked about: {error}",))
        return Cleared(killed, (), why)


def evidence(unit: Unit) -> str:
    """Return how a unit failed, in words."""
    how = f", {_HOW[unit.code]} {unit.status}" if unit.code in _HOW else ""
    match unit.result:
        case "oom-kill":
            return f"out of memory: the kernel killed at the session's limit (oom-kill{how})"
        case "timeout":
            return f"its unit ran out of time (timeout{how})"
        case result:
            return f"its unit failed ({result}{how})"


def _written(folder: Path) -> StartedWorker | None:
    """Return the worker that wrote who it is; one that is gone again has a descriptor that says so."""
    try:
        identity = records.read_worker(folder)
    except records.RecordError:
        return _ended(ProcessId(0, 0)) if (folder / "exit.json").exists() else None
    pidfd = open_pidfd(identity)
    return StartedWorker(identity, pidfd) if pidfd is not None else _ended(identity)


def _ended(identity: ProcessId) -> StartedWorker:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.close(writing)
    return StartedWorker(identity, reading)


def _properties(limits: Limits) -> dict[str, int]:
    found = {}
    if limits.memory is not None:
        found["MemoryMax"] = limits.memory
    if limits.processes is not None:
        found["TasksMax"] = limits.processes + 1  # the worker is no process of the harness
    return found


def _members(unit: Unit) -> tuple[int, ...]:
    try:
        return tuple(group.members(look().mount / unit.group.lstrip("/"))) if unit.group else ()
    except (CgroupError, OSError):
        return ()


def _named(unit: Unit) -> str:
    return ", ".join(f"pid {pid}" for pid in _members(unit)) or "its processes are not to be seen from here"


def _forget_limits(scope: Scope, unit: str) -> None:
    # The system's manager keeps them where only root may; its unit removes them itself.
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if scope is Scope.USER and runtime:
        shutil.rmtree(Path(runtime, "systemd/user.control", f"{unit}.d"), ignore_errors=True)
