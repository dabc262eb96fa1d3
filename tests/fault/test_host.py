"""A host that fails: no room, no descriptors, no processes, nothing to write on. Sessions stay exact all the same."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.fault, pytest.mark.process]

as_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="a mount of its own needs root and unshare(1)"
)
PIDS = Path("/sys/fs/cgroup/pids")


def in_its_own_mounts(arena, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in the site, in a mount namespace of its own; "$@" is the supervisor's command."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *arena.site.command("run", *args)],
        cwd=arena.site.root,
        env=arena.site.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


@as_root
def test_a_full_disk_costs_logs_and_never_an_exit_code(arena):
    arena.furnish("floods-a", "honest-b", "floods-c", "fails-d", supervisor={"disk_floor": "0B"})
    (arena.site.root / ".leasehold/state").mkdir()

    done = in_its_own_mounts(
        arena,
        """mount -t tmpfs -o size=9m full .leasehold/state
        "$@" && echo idle || echo ended >&2
        mount -o remount,size=200m .leasehold/state
        "$@" && code=0 || code=$?
        cp -a .leasehold/state .leasehold/kept
        exit $code""",
        "--until-idle",
    )

    assert "Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr  # fails-d is left undone
    (arena.site.root / ".leasehold/state").rmdir()
    (arena.site.root / ".leasehold/kept").rename(arena.site.root / ".leasehold/state")
    arena.conclude("full disk", "host", kills=0)


@as_root
def test_a_state_directory_that_cannot_be_written_is_one_clear_line(arena):
    arena.furnish("honest-a")
    (arena.site.root / ".leasehold/state").mkdir()

    done = in_its_own_mounts(
        arena,
        """mount --bind .leasehold/state .leasehold/state
        mount -o remount,ro,bind .leasehold/state
        exec "$@" """,
    )

    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert str(arena.site.root / ".leasehold/state") in line
    assert "read-only" in line.lower() or "cannot be written" in line


def test_a_supervisor_without_descriptors_starts_nothing_and_goes_on_once_it_has_some(arena):
    arena.furnish("stays-0", retry={"attempts": 1})
    process = arena.start()
    running = arena.site.wait_for("session.running", task="stays-0")
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, before[1]))
    arena.add("honest-a", "honest-b")
    arena.until(
        lambda: any(
            kind in arena.site.log() for kind in ("session.ended", "harness.resting", "source.problem")
        )
    )
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)

    assert process.poll() is None
    arena.site.run("reload")
    arena.until(lambda: len(arena.evidence.lines("end")) >= 2)
    os.kill(running["data"]["pid"], signal.SIGUSR1)
    arena.site.wait_for("session.ended", task="stays-0")
    arena.site.end(process)
    arena.recover()
    arena.conclude("EMFILE", "host", kills=0)


@pytest.fixture
def few_processes(tmp_path: Path) -> Iterator[Path]:
    """Return a cgroup of the pids controller."""
    if os.getuid() != 0 or not (PIDS / "cgroup.procs").exists():
        pytest.skip(
            "a limit on processes that holds for root needs the pids controller at /sys/fs/cgroup/pids"
        )
    group = PIDS / f"leasehold-test-{os.getpid()}"
    group.mkdir()
    yield group
    (group / "pids.max").write_text("max")
    for pid in (group / "cgroup.procs").read_text().split():
        (PIDS / "cgroup.procs").write_text(pid)
    group.rmdir()


def test_a_supervisor_that_cannot_fork_starts_nothing_and_goes_on_once_it_can(arena, few_processes):
    arena.furnish("stays-0", retry={"attempts": 1})
    process = arena.start()
    running = arena.site.wait_for("session.running", task="stays-0")

    (few_processes / "cgroup.procs").write_text(str(process.pid))
    (few_processes / "pids.max").write_text((few_processes / "pids.current").read_text())
    arena.add("honest-a", "honest-b")
    refused = few_processes / "pids.events"
    arena.until(lambda: int(refused.read_text().split()[1]) > 0, refused)
    (few_processes / "pids.max").write_text("max")

    assert process.poll() is None
    arena.site.run("reload")
    arena.until(lambda: len(arena.evidence.lines("end")) >= 2)
    os.kill(running["data"]["pid"], signal.SIGUSR1)
    arena.site.wait_for("session.ended", task="stays-0")
    arena.site.end(process)
    arena.recover()
    arena.conclude("EAGAIN", "host", kills=0)
