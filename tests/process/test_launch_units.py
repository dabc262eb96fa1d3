"""Sessions as units, over a bus that is a fake: what is asked of the manager, and what is made of its answers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.sessions.budget import Budget
from supervisor.world.launch.installation import Installation
from supervisor.world.launch.launcher import LaunchError
from supervisor.world.launch.local import reap
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import Limits, SessionSpec
from supervisor.world.launch.unit_probe import try_units
from supervisor.world.launch.units import UnitLauncher, unit_of
from supervisor.world.level import Bite
from supervisor.world.processes import boot_id, start_ticks
from supervisor.world.systemd import bus as bus_module
from supervisor.world.systemd import service_manager
from supervisor.world.systemd.bus import Bus, BusError, user_bus
from supervisor.world.systemd.service_manager import Scope, ServiceManager
from tests.process.fake_bus import FakeBus, FakeManager, unit

pytestmark = pytest.mark.process

ME = pwd.getpwuid(os.geteuid()).pw_name


class House:
    """A launcher on a fake bus; what it starts is a record that a worker would have written."""

    def __init__(self, root: Path, bus: FakeBus, scope: Scope) -> None:
        self.root = root
        self.bus = bus
        self.systemd = bus.manager
        self.manager = ServiceManager(
            scope, {"DBUS_SYSTEM_BUS_ADDRESS": bus.address, "DBUS_SESSION_BUS_ADDRESS": bus.address}
        )
        self.launcher = UnitLauncher(self.manager)
        self.here = Installation("0a1b", root / "sessions", root / "workers")

    def spec(self, session: str, limits: Limits = Limits()) -> SessionSpec:  # noqa: B008  - frozen
        return SessionSpec(
            session, "t", ["true"], "", {}, Path("/"), Budget(1, 0, 1), 1 << 16,
            self.here.sockets / f"{session}.sock", limits=limits,
        )  # fmt: skip

    def folder(self, session: str) -> Path:
        return self.here.sessions / session

    async def start(self, session: str, limits: Limits = Limits()):  # noqa: B008  - frozen
        return await self.launcher.start(self.spec(session, limits), self.folder(session))

    def worker(self, name: str, pid: int, start: int | None) -> None:
        session = name.partition("@")[2].removesuffix(".service")
        record = {"pid": pid, "start_ticks": start, "boot_id": boot_id()}
        (self.folder(session) / "worker.json").write_text(json.dumps(record))

    def lives(self, name: str) -> str:
        self.worker(name, os.getpid(), start_ticks(os.getpid()))
        self.systemd.units[name] = unit()
        return "done"

    def ends(self, name: str, *, code: int = 0, printed: str = "") -> str:
        self.worker(name, os.getpid(), 1)
        session = name.partition("@")[2].removesuffix(".service")
        record = {"cause": "exited", "by": "harness", "why": "it exited", "code": code}
        (self.folder(session) / "exit.json").write_text(json.dumps(record))
        (self.folder(session) / "out.log").write_text(printed)
        return "done"


@asynccontextmanager
async def house(tmp_path: Path, *, early: bool = False, scope: Scope = Scope.SYSTEM) -> AsyncIterator[House]:
    async with FakeBus(tmp_path / "bus", FakeManager(), early=early) as bus:
        made = House(tmp_path, bus, scope)
        try:
            yield made
        finally:
            made.manager.close()


@pytest.fixture
def impatient(monkeypatch):
    """Wait half a second where seconds are waited."""
    monkeypatch.setattr(bus_module, "PATIENCE", 0.5)
    monkeypatch.setattr(service_manager, "_TO_BE_ALLOWED", 0.5)


@pytest.mark.asyncio
@pytest.mark.parametrize("early", [False, True])
async def test_a_session_is_started_as_a_unit_and_watched_by_pidfd(tmp_path, early):
    async with house(tmp_path, early=early) as it:
        it.systemd.on_start = it.lives

        started = await it.start("s1")

        assert started.identity.pid == os.getpid()
        assert not select.select([started.pidfd], [], [], 0)[0]
        assert ("StartUnit", ("leasehold-session@s1.service", "fail")) in it.systemd.calls
        spec = json.loads((it.folder("s1") / "spec.json").read_text())
        assert (spec["cgroup"], spec["rung"]) == ("own", "system units")
        os.close(started.pidfd)


@pytest.mark.asyncio
async def test_limits_are_set_before_the_unit_starts_with_room_for_the_worker(tmp_path):
    async with house(tmp_path) as it:
        it.systemd.on_start = it.lives

        os.close((await it.start("s1", Limits(memory=1 << 30, processes=20))).pidfd)

        asked = [
            (name, body) for name, body in it.systemd.calls if name in {"SetUnitProperties", "StartUnit"}
        ]
        assert [name for name, _ in asked] == ["SetUnitProperties", "StartUnit"]
        values = [("MemoryMax", ("t", 1 << 30)), ("TasksMax", ("t", 21))]
        assert asked[0][1] == (unit_of("s1"), True, values)


@pytest.mark.asyncio
async def test_a_session_that_is_over_already_counts_as_started(tmp_path):
    async with house(tmp_path) as it:
        it.systemd.on_start = it.ends

        started = await it.start("s1")

        assert select.select([started.pidfd], [], [], 0)[0]
        reap(started.pidfd)


@pytest.mark.asyncio
async def test_a_unit_that_fails_to_start_is_a_launch_error_with_its_evidence(tmp_path):
    async with house(tmp_path) as it:

        def fails(name: str) -> str:
            it.systemd.units[name] = unit(active="failed", result="exit-code", code=1, status=203)
            return "failed"

        it.systemd.on_start = fails

        with pytest.raises(LaunchError) as error:
            await it.start("s1")

        assert str(error.value) == (
            "cannot start leasehold-session@s1.service: its start ended as failed "
            "(its unit failed (exit-code, exit status 203))"
        )
        assert ("ResetFailedUnit", (unit_of("s1"),)) in it.systemd.calls
        assert not (it.folder("s1") / "spec.json").exists()


@pytest.mark.asyncio
async def test_promise_14_a_start_of_which_nothing_was_heard_is_looked_for_in_the_folder(tmp_path, impatient):
    async with house(tmp_path) as it:

        def lives_untold(name: str) -> None:
            it.lives(name)
            it.bus.hang_up()

        it.systemd.on_start = lives_untold

        started = await it.start("s1")

        assert started.identity.pid == os.getpid()
        os.close(started.pidfd)


@pytest.mark.asyncio
async def test_a_manager_that_never_answers_is_one_line_and_what_comes_late_starts_nothing(
    tmp_path, impatient
):
    async with house(tmp_path) as it:
        it.systemd.silent = frozenset({"StartUnit"})

        with pytest.raises(LaunchError, match=r"StartUnit was not answered within 0\.5 s"):
            await it.start("s1")

        assert not (it.folder("s1") / "spec.json").exists()
        assert (it.folder("s1") / "spec.json.withdrawn").exists()


def asked(it):
    return [name for name, _ in it.systemd.calls if name in {"KillUnit", "StopUnit"}]


@pytest.mark.asyncio
async def test_a_session_is_cleared_by_stopping_its_unit_so_that_the_manager_cleans_up_after_it(tmp_path):
    async with house(tmp_path) as it:
        it.systemd.units[unit_of("s1")] = unit()

        cleared = await it.launcher.clear("s1", it.folder("s1"))

        assert cleared.survivors == ()
        assert asked(it) == ["StopUnit"]


@pytest.mark.asyncio
async def test_a_unit_that_does_not_stop_is_killed(tmp_path, impatient):
    async with house(tmp_path) as it:
        it.systemd.units[unit_of("s1")] = unit()
        it.systemd.silent = frozenset({"StopUnit"})

        cleared = await it.launcher.clear("s1", it.folder("s1"))

        assert "cannot be asked about" in cleared.survivors[0]
        assert asked(it) == ["KillUnit"]  # what is never answered is not among the calls


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("result", "code", "status", "told"),
    [
        ("oom-kill", 2, 9, "out of memory: the kernel killed at the session's limit (oom-kill, signal 9)"),
        ("timeout", 2, 15, "its unit ran out of time (timeout, signal 15)"),
        ("signal", 2, 9, "its unit failed (signal, signal 9)"),
        ("exit-code", 1, 1, "its unit failed (exit-code, exit status 1)"),
    ],
)
async def test_how_a_unit_failed_is_evidence_for_a_lost_session(tmp_path, result, code, status, told):
    async with house(tmp_path) as it:
        it.systemd.units[unit_of("s1")] = unit(active="failed", result=result, code=code, status=status)

        cleared = await it.launcher.clear("s1", it.folder("s1"))

        assert cleared.why == told
        assert ("ResetFailedUnit", (unit_of("s1"),)) in it.systemd.calls


@pytest.mark.asyncio
async def test_promise_14_a_session_whose_manager_does_not_answer_is_not_called_gone(tmp_path, impatient):
    async with house(tmp_path) as it:
        it.systemd.silent = frozenset({"GetUnit"})

        cleared = await it.launcher.clear("s1", it.folder("s1"))

        assert cleared.survivors == (
            "leasehold-session@s1.service cannot be asked about: GetUnit was not answered within 0.5 s",
        )


@pytest.mark.asyncio
async def test_the_limits_of_a_users_session_are_forgotten_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    kept = tmp_path / "systemd/user.control"
    for session in ("s1", "s2"):
        (kept / f"{unit_of(session)}.d").mkdir(parents=True)
    async with house(tmp_path, scope=Scope.USER) as it:
        await it.launcher.tidy("s1", it.folder("s1"))

    assert [path.name for path in kept.iterdir()] == [f"{unit_of('s2')}.d"]


@pytest.mark.asyncio
async def test_the_sessions_that_have_a_unit_are_found_and_a_probe_is_none(tmp_path):
    async with house(tmp_path) as it:
        it.systemd.units = {unit_of("s1"): unit(), unit_of("s2"): unit(), unit_of("probe-1"): unit()}

        assert await it.launcher.found() == {"s1", "s2"}


@pytest.mark.asyncio
async def test_a_lost_bus_is_connected_to_again(tmp_path):
    async with house(tmp_path) as it:
        assert await it.launcher.found() == frozenset()
        assert it.manager._bus is not None
        it.bus.hang_up()
        await it.manager._bus.lost

        assert await it.launcher.found() == frozenset()


# --- a bus that is missing, or hangs -------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_bus_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(BusError, match=r"no bus at .*: No such file or directory"):
        await Bus.connect(f"unix:path={tmp_path}/none", lambda _: None)


@pytest.mark.asyncio
async def test_a_bus_that_hangs_is_one_line(tmp_path, impatient):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        with pytest.raises(BusError, match=r"did not answer within 0\.5 s"):
            await Bus.connect(f"unix:path={tmp_path}/bus", lambda _: None)


@pytest.mark.asyncio
async def test_a_bus_that_speaks_something_else_is_one_line(tmp_path):
    class Mail(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"220 mail.example ESMTP\r\n")

    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(Mail, tmp_path / "bus"):
        with pytest.raises(BusError, match="is not let in"):
            await Bus.connect(f"unix:path={tmp_path}/bus", lambda _: None)


@pytest.mark.parametrize("address", ["", "nonsense", "tcp:host=localhost,port=1"])
@pytest.mark.asyncio
async def test_an_address_that_is_none_is_one_line(address):
    with pytest.raises(BusError, match="cannot be used"):
        await Bus.connect(address, lambda _: None)


def test_without_a_runtime_directory_the_users_bus_is_not_found():
    with pytest.raises(BusError, match="neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"):
        user_bus({})


# --- the probe -----------------------------------------------------------------------------------------


def template(it: House, **more: Any) -> None:
    """Have the manager know every instance of a template, made for this installation unless said."""

    def instance(name: str) -> dict[str, Any]:
        session = name.partition("@")[2].removesuffix(".service")
        ours = {"user": ME, "command": ["python", "session", str(it.folder(session))]}
        return unit(active="inactive", **ours | more)

    it.systemd.template = instance


@pytest.mark.asyncio
@pytest.mark.parametrize("scope", list(Scope))
async def test_a_template_that_starts_what_does_nothing_holds(tmp_path, scope):
    async with house(tmp_path, scope=scope) as it:
        template(it)
        it.systemd.on_start = it.ends
        trial = await try_units(it.launcher, it.manager, it.here)

        assert (trial.holds, trial.told) == (True, "a unit was tried: it was started and ended")
        assert trial.rung is (Rung.SYSTEM_UNITS if scope is Scope.SYSTEM else Rung.USER_UNITS)
        assert list(it.here.sessions.iterdir()) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "printed", "bite"),
    [
        (0, "noise\na foreign write fails\n", Bite(holds=True, told="a foreign write fails")),
        (1, "no filter here\n", Bite(holds=False, told="no filter here")),
        (2, "", Bite(holds=False, told="the probe of the guard ended with 2")),
    ],
)
async def test_the_guard_is_tried_below_the_unit_and_not_in_our_own_sandbox(tmp_path, code, printed, bite):
    async with house(tmp_path) as it:
        template(it)
        it.systemd.on_start = lambda name: it.ends(name, code=code, printed=printed)
        trial = await try_units(it.launcher, it.manager, it.here)

        assert (trial.holds, trial.bite) == (True, bite)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"load": "not-found"}, "leasehold-session@.service is not installed; `leasehold systemd install` puts it in place"),
        ({"load": "masked"}, "leasehold-session@.service cannot be used, systemd calls it masked"),
        ({"command": ["python", "session", "/elsewhere/sessions/x"]}, "leasehold-session@.service is installed for another state directory, /elsewhere"),
        ({"user": "somebody"}, f"leasehold-session@.service runs sessions as somebody, and this is {ME}"),
    ],
)  # fmt: skip
async def test_units_that_are_not_for_us_are_not_tried(tmp_path, more, told):
    async with house(tmp_path) as it:
        template(it, **more)
        trial = await try_units(it.launcher, it.manager, it.here)

        assert (trial.holds, trial.told) == (False, told)
        assert "StartUnit" not in [name for name, _ in it.systemd.calls]
