"""The keeper of a box: starts it, and leaves nothing of it behind, however the test process ends.

usage: keeper.py FOLDER HIERARCHY NAME LOGIND DISK [SOURCE TARGET]...

Writes the process id of the box's outer process; its console is standard error. The box is ended when standard input is closed, which
the kernel does for a test process that was killed too, or when it has powered itself off. Exit code: 0 if
nothing is left of it, else 1, with what is left on standard error.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.system.box import cgroups

_PR_SET_PDEATHSIG = 1


def keep(folder: Path, hierarchy: str, name: str, rest: list[str]) -> int:
    """Run a box until it ends or standard input does; return the exit code."""
    places = cgroups.hierarchies(Path("/proc/mounts").read_text())
    wanted = list(places.values()) if hierarchy == "hybrid" else [places[""]]
    groups = cgroups.make(name, wanted)
    try:
        _run(folder, hierarchy, name, groups, rest)
    finally:
        left = [path for group in groups for path in cgroups.remove(group)]
        shutil.rmtree(folder, ignore_errors=True)
    for path in left:
        sys.stderr.write(f"{path} is left, with {(path / 'cgroup.procs').read_text().split()}\n")
    return 1 if left or folder.exists() else 0


def _run(folder: Path, hierarchy: str, name: str, groups: list[Path], rest: list[str]) -> None:
    libc = ctypes.CDLL(None)

    def enter() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for group in groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))  # before the cgroup namespace is made

    init = Path(__file__).with_name("init.sh")
    spaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child=SIGKILL"]
    box = subprocess.Popen(
        ["unshare", *spaces, "/bin/sh", str(init), str(folder), hierarchy, name, *rest],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=enter,  # noqa: PLW1509  # this process has one thread
    )
    sys.stdout.write(f"{box.pid}\n")
    sys.stdout.flush()
    ended = os.pidfd_open(box.pid)
    readable, _, _ = select.select([ended, sys.stdin], [], [])
    if ended not in readable:
        box.kill()  # the pid namespace goes with it
    box.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Control-C reaches the test process, which lets go of us
    sys.exit(keep(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
