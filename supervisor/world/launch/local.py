"""Start a worker on this machine, without a service manager: detached, so that it outlives us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import workers
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.spec import SessionSpec, write_session_folder
from supervisor.world.processes import boot_id, start_ticks

_WORKERS = str(Path(workers.__file__).parent)


class LaunchError(Exception):
    """The worker could not be started; one line says why."""


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that we started: who it is, and a pidfd that is readable once it has ended."""

    identity: ProcessId
    pidfd: int


def start_worker(spec: SessionSpec, folder: Path) -> StartedWorker:
    """Write the session's folder and start its worker; its socket listens before this returns.

    Raises:
        LaunchError: the folder, the socket or the process could not be made.
    """
    try:
        write_session_folder(spec, folder)
        with _listen(spec.socket) as listener:
            pid = _spawn(folder, listener.fileno())
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
    except ChildProcessError:
        pass  # started by an earlier supervisor: pid 1 reaps it
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
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def _spawn(folder: Path, listen_fd: int) -> int:
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _WORKERS, "session", str(folder), "--listen-fd", str(listen_fd)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
            start_new_session=True,
            pass_fds=(listen_fd,),
        )
    process.returncode = 0  # its status is collected by pidfd; Popen must neither wait nor warn
    return process.pid
