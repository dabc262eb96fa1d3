"""A service manager, the system's or the user's: units started, killed, asked about, over its bus."""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message

from supervisor.world.systemd.bus import Bus, BusError, RefusedError, system_bus, user_bus

_NAME = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", _NAME, f"{_NAME}.Manager")
_GONE = {f"{_NAME}.NoSuchUnit", "org.freedesktop.DBus.Error.UnknownObject"}
_TO_BE_ALLOWED = 25.0  # seconds; at a boot, the service that is asked whether we may has to start first
_JOBS = f"type='signal',sender='{_NAME}',interface='{_NAME}.Manager',member='JobRemoved'"

_OVER = frozenset({"inactive", "failed"})  # states in which nothing of a unit runs


class Scope(enum.Enum):
    """Whose service manager it is."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Unit:
    """What the manager knows of one service: `result` is "success" until something went wrong.

    `code` and `status` say how its main process ended, as waitid(2) has them.
    `group` is its cgroup as the hierarchy names it, empty when it has none.
    """

    load: str
    active: str
    sub: str
    result: str
    code: int
    status: int
    group: str
    user: str
    command: tuple[str, ...]

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.active in _OVER


class ServiceManager:
    """A connection to one service manager, made when it is first needed and again when it was lost."""

    def __init__(self, scope: Scope, environ: Mapping[str, str] = os.environ) -> None:
        self.scope = scope
        self._environ = environ
        self._bus: Bus | None = None
        self._connecting = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[str]] = {}  # by the name of the job
        self._early: dict[str, str] = {}  # what became of jobs whose names were not told yet
        self._asking = 0  # calls whose answer will name a job

    async def start(self, unit: str, patience: float) -> str:
        """Start a unit that does not run and return what became of the job: "done" when it runs.

        Raises:
            BusError: it was refused, or the job did not end within `patience` seconds.
        """
        return await self._job("StartUnit", unit, "fail", patience)

    async def stop(self, unit: str, patience: float) -> str:
        """Stop a unit and return what became of the job; raises as `start` does."""
        return await self._job("StopUnit", unit, "replace", patience)

    async def kill(self, unit: str, number: int) -> None:
        """Send a signal to every process of a unit; one that is not loaded has none.

        Raises:
            BusError: it was refused, or no answer came.
        """
        await self._unless_gone("KillUnit", "ssi", unit, "all", number)

    async def reset_failed(self, unit: str) -> None:
        """Forget how a unit failed, so that it can be unloaded; raises as `kill` does."""
        await self._unless_gone("ResetFailedUnit", "s", unit)

    async def limit(self, unit: str, limits: Mapping[str, int]) -> None:
        """Set properties such as MemoryMax of a unit until the next boot; raises as `kill` does."""
        values = [(name, ("t", value)) for name, value in limits.items()]
        bus = await self._connected()
        body = (unit, True, values)
        await bus.call(_MANAGER, "SetUnitProperties", "sba(sv)", *body, patience=_TO_BE_ALLOWED)

    async def unit(self, name: str, *, load: bool = False) -> Unit | None:
        """Return what is known of a service, `None` when it is not loaded; `load` reads its file if need be.

        Raises:
            BusError: it was refused, or no answer came.
        """
        try:
            (path,) = await self._call(_MANAGER, "LoadUnit" if load else "GetUnit", "s", name)
            found = await self._all(path, "Unit") | await self._all(path, "Service")
        except RefusedError as error:
            if error.name in _GONE:
                return None
            raise
        return _unit(found)

    async def names(self, pattern: str, *, running: bool = False) -> list[str]:
        """Return the names of the loaded units that match a pattern, or only of those that are not over.

        Raises as `unit` does.
        """
        (listed,) = await self._call(_MANAGER, "ListUnitsByPatterns", "asas", [], [pattern])
        return [str(row[0]) for row in listed if not (running and row[3] in _OVER)]

    def close(self) -> None:
        """Hang up."""
        if self._bus is not None:
            self._bus.close()

    # --- the connection -----------------------------------------------------------------------------

    async def _call(self, address: DBusAddress, method: str, signature: str, *body: Any) -> tuple[Any, ...]:
        bus = await self._connected()
        return await bus.call(address, method, signature, *body)

    async def _unless_gone(self, method: str, signature: str, *body: Any) -> None:
        try:
            await self._call(_MANAGER, method, signature, *body)
        except RefusedError as error:
            if error.name not in _GONE and not error.name.endswith(".NoSuchProcess"):
                raise

    async def _all(self, path: str, interface: str) -> dict[str, Any]:
        address = DBusAddress(path, _NAME, "org.freedesktop.DBus.Properties")
        (found,) = await self._call(address, "GetAll", "s", f"{_NAME}.{interface}")
        return {name: value[1] for name, value in found.items()}

    async def _connected(self) -> Bus:
        async with self._connecting:
            if self._bus is None or not self._bus.open:
                where = system_bus if self.scope is Scope.SYSTEM else user_bus
                bus = await Bus.connect(where(self._environ), self._heard)
                try:
                    await bus.listen(_JOBS)
                    await bus.call(_MANAGER, "Subscribe")
                except BusError as error:
                    bus.close()
                    raise BusError(f"no service manager answers on {bus.address}: {error}") from error
                self._bus = bus
            return self._bus

    # --- jobs ---------------------------------------------------------------------------------------

    async def _job(self, method: str, unit: str, mode: str, patience: float) -> str:
        bus = await self._connected()
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking += 1
        try:
            (path,) = await bus.call(_MANAGER, method, "ss", unit, mode, patience=_TO_BE_ALLOWED)
            self._waiting[path] = ended
            if path in self._early:
                ended.set_result(self._early[path])
        finally:
            self._asking -= 1
            if not self._asking:
                self._early.clear()
        try:
            both: set[asyncio.Future[Any]] = {ended, bus.lost}
            await asyncio.wait(both, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._waiting[path]
        if ended.done():
            return ended.result()
        if bus.lost.done():
            raise bus.lost.result()
        raise BusError(f"{method} of {unit} did not end within {patience:g} s")

    def _heard(self, message: Message) -> None:
        if message.header.fields.get(HeaderFields.member) != "JobRemoved":
            return
        _, path, _, result = message.body
        ended = self._waiting.get(path)
        if ended is not None and not ended.done():
            ended.set_result(result)
        elif self._asking:
            self._early[path] = result  # it was quicker than the answer that names it


def _unit(found: Mapping[str, Any]) -> Unit:
    commands = found.get("ExecStart") or [("", ())]
    return Unit(
        load=found["LoadState"],
        active=found["ActiveState"],
        sub=found["SubState"],
        result=found.get("Result", ""),
        code=found.get("ExecMainCode", 0),
        status=found.get("ExecMainStatus", 0),
        group=found.get("ControlGroup", ""),
        user=found.get("User", ""),
        command=tuple(commands[0][1]),
    )
