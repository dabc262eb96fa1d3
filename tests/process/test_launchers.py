"""The rungs without a service manager: a worker is killed, and nothing of its session is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.core.sessions.budget import Budget
from supervisor.world.cgroups import group
from supervisor.world.cgroups.hierarchy import CgroupError
from supervisor.world.cgroups.probe import Base, find_base
from supervisor.world.launch import records
from supervisor.world.launch.grouped import CgroupLauncher
from supervisor.world.launch.ladder import Ladder, Trial
from supervisor.world.launch.launcher import Launcher, LaunchError, StartedWorker
from supervisor.world.launch.local import LocalLauncher, reap
from supervisor.world.launch.mark import Mark
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import NOTICE, SessionSpec
from supervisor.world.launch.sweep import Hunt

pytestmark = pytest.mark.process

ZOO = Path(__file__).parent / "children/zoo.py"
PATIENCE = 60.0
HOSTILE = [
    "ignores_term_with_family",
    "daemonises_below_a_leader",
    "hops_below_a_leader",
    "forks_for_ever",
    "has_a_stopped_child",
    "has_a_child_without_first_thread",
]


def _base_or_why() -> Base | str:
    try:
        return find_base(f"test-{os.getpid()}")
    except CgroupError as error:
        return str(error)


FOUND = _base_or_why()
needs_cgroups = pytest.mark.skipif(isinstance(FOUND, str), reason=f"no cgroup to write to: {FOUND}")


class House:
    """A launcher with the sessions started on it."""

    def __init__(self, root: Path, launcher: Launcher) -> None:
        self.root = root
        self.launcher = launcher
        self.sessions = root / "sessions"
        self.tag = uuid.uuid4().hex
        self.fifo = root / "ready"
        os.mkfifo(self.fifo)
        self.fifo.chmod(0o666)
        # Also for writing: no end of file between two.
        self._ready = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.workers: list[StartedWorker] = []

    def spec(self, session: str, *argv: str) -> SessionSpec:
        folder = self.sessions / session
        return SessionSpec(
            session=session,
            task="t",
            command=list(argv),
            prompt="",
            env={
                "PATH": os.environ["PATH"],
                "READY": str(self.fifo),
                "TAG": self.tag,
                "LEASEHOLD_SESSION": session,
                "LEASEHOLD_NOTICE": str(folder / NOTICE),
            },
            cwd=Path("/"),
            budget=Budget(wall=300.0, warn=0.0, grace=1.0),
            log_limit=1 << 20,
            socket=self.root / f"{session}.sock",
        )

    async def start(self, session: str, animal: str) -> StartedWorker:
        spec = self.spec(session, sys.executable, "-I", "-S", str(ZOO), animal)
        started = await self.launcher.start(spec, self.sessions / session)
        self.workers.append(started)
        return started

    def described(self, session: str) -> None:
        """Return once the worker has written down which harness it started."""
        deadline = time.monotonic() + PATIENCE
        while json.loads((self.sessions / session / "worker.json").read_text())["harness"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def word(self) -> str:
        assert select.select([self._ready], [], [], PATIENCE)[0], "the harness did not get ready"
        return os.read(self._ready, 64).decode().strip()

    def hidden(self) -> int:
        """Return the process that clears its environment, once it has: it tells its number just before."""
        pid = int(self.word())
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{pid}/environ").read_bytes() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return pid

    async def kill_worker(self, started: StartedWorker) -> None:
        signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
        assert select.select([started.pidfd], [], [], PATIENCE)[0]
        self.workers.remove(started)
        reap(started.pidfd)

    def living(self) -> list[int]:
        wanted = f"TAG={self.tag}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def close(self) -> None:
        for started in self.workers:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
            select.select([started.pidfd], [], [], PATIENCE)
            reap(started.pidfd)
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self._ready)


@pytest.fixture
def base() -> Iterator[Base]:
    assert isinstance(FOUND, Base)
    yield FOUND
    if FOUND.path.is_dir():
        group.end(FOUND.path, PATIENCE)
        group.remove(FOUND.path)


@pytest.fixture(params=[pytest.param("cgroup", marks=needs_cgroups), "sweep"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    tmp_path.chmod(0o755)
    if request.param == "cgroup":
        launcher: Launcher = CgroupLauncher(request.getfixturevalue("base"))
    else:
        launcher = LocalLauncher(tmp_path / "sessions")
    made = House(tmp_path, launcher)
    yield made
    made.close()


@pytest.fixture
def grouped(base: Base, tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, CgroupLauncher(base))
    yield made
    made.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("animal", HOSTILE)
async def test_promise_8_nothing_outlives_a_killed_worker_once_its_session_is_cleared(house, animal):
    started = await house.start("s1", animal)
    house.word()
    await house.kill_worker(started)

    cleared = await house.launcher.clear("s1", house.sessions / "s1")

    assert cleared.survivors == ()
    assert house.living() == []
    assert await house.launcher.found() == frozenset()


@needs_cgroups
@pytest.mark.asyncio
async def test_a_process_that_cleared_its_environment_is_found_by_its_cgroup(grouped):
    started = await grouped.start("s1", "clears_its_environment")
    hidden = os.pidfd_open(int(grouped.word()))
    try:
        await grouped.kill_worker(started)

        cleared = await grouped.launcher.clear("s1", grouped.sessions / "s1")

        assert cleared.survivors == ()
        assert select.select([hidden], [], [], 0)[0], "it is still alive"
    finally:
        os.close(hidden)


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, LocalLauncher(tmp_path / "sessions"))
    yield made
    made.close()


@pytest.mark.asyncio
async def test_without_a_cgroup_a_process_that_cleared_its_environment_is_found_beside_one_that_did_not(
    swept,
):
    started = await swept.start("s1", "clears_its_environment_beside_another")
    number = swept.hidden()
    hidden = os.pidfd_open(number)
    swept.described("s1")
    try:
        await swept.kill_worker(started)

        cleared = await swept.launcher.clear("s1", swept.sessions / "s1")

        assert cleared.survivors == ()
        assert number in cleared.killed
        assert select.select([hidden], [], [], PATIENCE)[0], "it is still alive"
        assert swept.living() == []
    finally:
        os.close(hidden)


@pytest.mark.asyncio
async def test_a_harness_that_is_dying_is_not_the_only_proof_of_whose_the_others_are(swept):
    started = await swept.start("s1", "clears_its_environment_beside_another")
    number = swept.hidden()
    hidden = os.pidfd_open(number)
    swept.described("s1")
    folder = swept.sessions / "s1"
    harness = json.loads((folder / "worker.json").read_text())["harness"]["pid"]
    signal.pidfd_send_signal(started.pidfd, signal.SIGSTOP)  # else it would clear up itself
    dying = os.pidfd_open(harness)
    hunt = Hunt(Mark.of("s1", folder))
    try:
        assert not hunt.strike(harness)  # it is held
        os.kill(harness, signal.SIGKILL)
        assert select.select([dying], [], [], PATIENCE)[0]

        assert number in hunt.round()
        assert select.select([hidden], [], [], PATIENCE)[0], "it is still alive"
    finally:
        hunt.close()
        os.close(dying)
        os.close(hidden)


@pytest.mark.asyncio
async def test_promise_9_a_session_of_processes_that_only_has_the_number_of_the_harness_is_left_alone(swept):
    """No marked process is in it, so that nothing proves that the number has not been given out again."""
    started = await swept.start("s1", "clears_its_environment_beside_another")
    hidden = swept.hidden()
    pidfd = os.pidfd_open(hidden)
    swept.described("s1")
    try:
        await swept.kill_worker(started)
        for pid in swept.living():
            os.kill(pid, signal.SIGKILL)

        cleared = await swept.launcher.clear("s1", swept.sessions / "s1")

        assert hidden not in cleared.killed
        assert not select.select([pidfd], [], [], 0)[0]
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)


@pytest.mark.asyncio
async def test_promise_9_a_copy_of_a_state_directory_never_ends_what_the_original_runs(house, tmp_path):
    started = await house.start("s1", "ignores_term_with_family")
    house.word()
    copy = tmp_path / "copy/sessions"
    shutil.copytree(house.sessions, copy)
    before = len(house.living())

    cleared = await house.launcher.clear("s1", copy / "s1")

    assert (cleared.killed, cleared.survivors) == ((), ())
    assert len(house.living()) == before
    assert not select.select([started.pidfd], [], [], 0)[0]


@pytest.mark.asyncio
async def test_a_state_directory_that_was_moved_still_has_its_sessions_cleared(house, tmp_path):
    started = await house.start("s1", "ignores_term_with_family")
    house.word()
    moved = tmp_path / "moved"
    house.sessions.rename(moved)
    await house.kill_worker(started)

    cleared = await house.launcher.clear("s1", moved / "s1")

    assert cleared.survivors == ()
    assert house.living() == []


@pytest.mark.asyncio
async def test_a_session_is_found_from_its_start_until_it_is_cleared(house):
    started = await house.start("s1", "ignores_term_with_family")
    house.word()

    assert await house.launcher.found() == {"s1"}
    await house.kill_worker(started)
    assert await house.launcher.found() == {"s1"}
    await house.launcher.clear("s1", house.sessions / "s1")
    assert await house.launcher.found() == frozenset()


@pytest.mark.asyncio
async def test_clearing_one_session_leaves_the_others_alone(house):
    first = await house.start("s1", "ignores_term")
    house.word()
    second = await house.start("s2", "ignores_term")
    house.word()
    await house.kill_worker(first)

    await house.launcher.clear("s1", house.sessions / "s1")

    assert not select.select([second.pidfd], [], [], 0)[0]
    assert len(house.living()) == 1


@needs_cgroups
@pytest.mark.asyncio
async def test_a_session_that_ended_by_itself_leaves_no_cgroup(grouped, base):
    started = await grouped.launcher.start(grouped.spec("s1", "true"), grouped.sessions / "s1")
    grouped.workers.append(started)
    assert (base.path / "s1").is_dir()
    assert select.select([started.pidfd], [], [], PATIENCE)[0]

    cleared = await grouped.launcher.tidy("s1", grouped.sessions / "s1")

    assert (cleared.killed, cleared.survivors) == ((), ())
    assert not base.path.exists()
    assert records.read_exit(grouped.sessions / "s1").cause == "exited"


@needs_cgroups
@pytest.mark.asyncio
async def test_a_worker_that_could_not_be_started_leaves_no_cgroup(grouped, base):
    (grouped.sessions / "s1").mkdir(parents=True)

    with pytest.raises(LaunchError, match="File exists"):
        await grouped.launcher.start(grouped.spec("s1", "true"), grouped.sessions / "s1")

    assert not base.path.exists()


@needs_cgroups
@pytest.mark.asyncio
async def test_a_session_is_cleared_on_the_rung_on_which_it_was_started(grouped, base):
    started = await grouped.start("s1", "ignores_term_with_family")
    grouped.word()
    await grouped.kill_worker(started)
    rungs: dict[Rung, Launcher] = {
        Rung.CGROUP: CgroupLauncher(replace(base, path=base.path.with_name("leasehold-elsewhere"))),
        Rung.SWEEP: LocalLauncher(grouped.sessions),
    }
    later = Ladder(Rung.SWEEP, rungs, (Trial(Rung.SWEEP, holds=True, told=""),))

    cleared = await later.clear("s1", grouped.sessions / "s1")

    assert cleared.survivors == ()
    assert not (base.path / "s1").exists()


@needs_cgroups
@pytest.mark.asyncio
async def test_a_session_whose_rung_is_out_of_reach_is_not_called_gone(grouped):
    await grouped.start("s1", "ignores_term")
    grouped.word()
    sweep: dict[Rung, Launcher] = {Rung.SWEEP: LocalLauncher(grouped.sessions)}
    later = Ladder(Rung.SWEEP, sweep, (Trial(Rung.SWEEP, holds=True, told=""),))

    cleared = await later.clear("s1", grouped.sessions / "s1")

    assert cleared.survivors == ("what its cgroup holds, which is out of reach now",)


@needs_cgroups
def test_a_cgroup_that_is_not_of_the_session_is_never_killed(grouped, base):
    """The specification could have been tampered with; the path in it must be one that we would have made."""
    foreign = base.path / "somebody"
    foreign.mkdir(parents=True)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as bystander:
        (foreign / "cgroup.procs").write_text(str(bystander.pid))
        folder = grouped.sessions / "s1"
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps({"cgroup": str(foreign), "rung": "cgroup"}))

        asyncio.run(grouped.launcher.clear("s1", folder))

        assert bystander.poll() is None
        assert bystander.stdin is not None
        bystander.stdin.close()
        assert bystander.wait(PATIENCE) == 0


@needs_cgroups
def test_the_group_in_which_the_supervisor_is_itself_is_never_killed(tmp_path):
    """A program of a session runs a supervisor that finds a session by the same name."""
    assert isinstance(FOUND, Base)
    program = """
import asyncio, os, sys
from pathlib import Path
from supervisor.world.cgroups.probe import Base
from supervisor.world.launch.grouped import CgroupLauncher
place = Path(sys.argv[1])
place.mkdir(parents=True)
(place / "cgroup.procs").write_text(str(os.getpid()))
print(asyncio.run(CgroupLauncher(Base(place.parent, frozenset())).tidy(place.name, Path("/nowhere"))).survivors)
"""
    place = FOUND.path / "s1"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(place)], text=True, capture_output=True, timeout=PATIENCE
        )
    finally:
        group.remove(place.parent)

    assert done.returncode == 0, done.stderr
    assert "the supervisor itself is in it" in done.stdout
