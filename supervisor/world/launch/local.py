"""Start a worker on this machine, without a service manager: detached, so that it outlives us."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import workers
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.control.reachable import reachable
from supervisor.world.descriptors import restore_limit
from supervisor.world.failpoint import failpoint, inherited_by_workers
from supervisor.world.launch.launcher import Cleared, LaunchError, StartedWorker
from supervisor.world.launch.mark import tagged_sessions
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import SessionSpec, write_session_folder
from supervisor.world.launch.sweep import sweep_tagged
from supervisor.world.processes import boot_id, start_ticks
from supervisor.world.threads import in_thread

_WORKERS = str(Path(workers.__file__).parent)


class LocalLauncher:
    """The lowest rung: a detached process, and nothing but its own sweep that holds its tree together.

    `sessions` is the folder of the sessions' folders.
    """

    rung = Rung.SWEEP

    def __init__(self, sessions: Path) -> None:
        self._sessions = sessions

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        """Write the session's folder and start its worker; its socket listens before this returns.

        Raises:
            LaunchError: the folder, the socket or the process could not be made.
        """
        return start_worker(spec, folder)

    async def clear(self, session: str, folder: Path) -> Cleared:
        """Kill what names the session in its environment."""
        return await sweep_tagged(session, folder)

    async def tidy(self, session: str, folder: Path) -> Cleared:  # noqa: ARG002  - the protocol's
        """Believe the worker, whose own sweep found the tree empty."""
        return Cleared()

    async def found(self) -> frozenset[str]:
        """Return the sessions that living processes name in their environment."""
        return await in_thread(tagged_sessions, self._sessions)

    async def alive(self) -> frozenset[str]:
        """Return the sessions that living processes name in their environment."""
        return await self.found()


def start_worker(spec: SessionSpec, folder: Path) -> StartedWorker:
    """Write the session's folder and start its worker as a detached child.

    Raises:
        LaunchError: the folder, the socket or the process could not be made.
    """
    try:
        write_session_folder(spec, folder)
        failpoint("launch.folder_written")
        with _locked(folder) as lock, _listen(spec.socket) as listener:
            failpoint("launch.listening")
            pid = _spawn(folder, listener.fileno(), lock.fileno())
            failpoint("launch.forked")
        pidfd = _opened(pid)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise LaunchError(f"cannot start a worker: {error.strerror or error}{place}") from error
    # Our child cannot be reaped by anybody else, so its number is still its own here.
    return StartedWorker(ProcessId(pid, start_ticks(pid) or 0, boot_id()), pidfd)


def reap(pidfd: int) -> None:
    """Collect the status of a worker that has ended, if it was our child, and close its pidfd."""
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except OSError:
        pass  # no child of ours: who started it collects it
    finally:
        os.close(pidfd)


def _opened(pid: int) -> int:
    """Return the pidfd of a worker that was just started; one that nobody could watch must not go on."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def _locked(folder: Path) -> BinaryIO:
    """Take the session's lock before its worker exists, to hand it down: from now on "held" means "on its way"."""
    file = (folder / "lock").open("xb", buffering=0)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _spawn(folder: Path, listen_fd: int, lock_fd: int) -> int:
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", _WORKERS, "session", str(folder)),
                *("--listen-fd", str(listen_fd), "--lock-fd", str(lock_fd)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
            | inherited_by_workers(os.environ),
            start_new_session=True,
            pass_fds=(listen_fd, lock_fd),
        )
    restore_limit(process.pid)
    process.returncode = 0  # its status is collected by pidfd; Popen must neither wait nor warn
    return process.pid
