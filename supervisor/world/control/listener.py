"""Taking the socket's path: one living server, no stale file in its way, nobody else let in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from supervisor.world.control.access import peer_credentials
from supervisor.world.control.errors import ListenError
from supervisor.world.control.reachable import reachable

_BACKLOG = 1024  # clients that may stand at the door while the loop is busy


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Hold the listening socket at `path`, mode 0600; remove it afterwards.

    A missing directory is made with mode 0700. `path` + ".lock" is held locked all the while and stays
    behind: removing a lock file would let two servers hold two different ones.

    Raises:
        ListenError: a living server has the path, or others could put files beside it.
    """
    _private_directory(path.parent)
    with _locked(path), reachable(path) as short, socket.socket(socket.AF_UNIX) as sock:
        _remove_stale(path, short)
        os.fchmod(sock.fileno(), 0o600)  # before bind, so that there is no instant with a wider mode
        sock.bind(short)
        made = path.lstat()
        sock.listen(_BACKLOG)
        try:
            yield sock
        finally:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.lstat(), made):
                    path.unlink()


def refuse_if_served(path: Path) -> None:
    """Look whether a server could begin at `path` now, before it is needed; nothing is kept.

    Raises:
        ListenError: as `listening` does.
    """
    _private_directory(path.parent)
    with _locked(path), reachable(path) as short:
        _remove_stale(path, short)


def _private_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise _unusable(directory, error) from error
    if found.st_uid not in {os.geteuid(), 0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ListenError(f"{directory}: others may write to this directory; use one of your own, mode 0700")


def _unusable(directory: Path, error: OSError) -> ListenError:
    return ListenError(
        f"{directory} cannot be used for sockets ({error.strerror}); make it a folder that this account may "
        "write to, or set another supervisor.runtime_dir"
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unusable(path.parent, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise _occupied(path, holder) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(lock)


def _remove_stale(path: Path, short: str) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(f"{path}: is there and is not a socket; move it away or choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full backlog is a living server too, and must not stop us here
        try:
            probe.connect(short)
        except ConnectionRefusedError:
            path.unlink()  # nobody listens any more: its server died without removing it
        except BlockingIOError:
            raise _occupied(path, "unknown") from None
        except PermissionError:
            raise ListenError(
                f"{path}: belongs to uid {found.st_uid}; run as that account, or choose another path"
            ) from None
        else:
            pid = peer_credentials(probe).pid
            raise _by_systemd(path) if pid == 1 else _occupied(path, str(pid))


def _by_systemd(path: Path) -> ListenError:
    return ListenError(
        f"{path}: systemd listens there for leasehold.service; `systemctl start leasehold` runs it, "
        "`leasehold systemd uninstall` takes it out"
    )


def _occupied(path: Path, pid: str) -> ListenError:
    return ListenError(
        f"{path}: a supervisor is already running there (pid {pid}); stop it or choose another path"
    )
