"""The session's folder while a worker holds it: one worker, once, with nothing inherited."""

from __future__ import annotations

import fcntl
import os
import signal
import time

_LOOKS = 20
_LOOK = 0.01  # seconds


class Occupied(Exception):  # noqa: N818  - the folder is occupied
    """This worker must not run here; the text is one line that says who or what is in the way."""


def take(folder: str, inherited: int | None) -> int:
    """Lock the folder for the life of this process and return the lock's descriptor.

    A starter that locked the file before it forked hands the lock down as `inherited`: then there is no
    instant at which a worker is on its way and the lock is free.

    Raises:
        Occupied: another worker holds it, or one did before: a session is started once.
    """
    fd = _opened(os.path.join(folder, "lock"), inherited)
    try:
        _lock(fd)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        raise Occupied(f"{folder} belongs to a living worker, pid {holder}; a session has one") from None
    for name, meaning in (("exit.json", "has ended"), ("worker.json", "was started before and is lost")):
        if os.path.lexists(os.path.join(folder, name)):
            raise Occupied(
                f"{folder} holds a session that {meaning} ({name} exists); a session is started once"
            )
    os.ftruncate(fd, 0)
    os.write(fd, b"%d\n" % os.getpid())
    return fd


def close_inherited(keep: list[int]) -> None:
    """Close every descriptor above 2, except those in `keep`, and fill the gaps below 3."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass  # a file opened later must not become a standard stream
    os.close(fd)
    least = 3
    for kept in sorted(keep):
        os.closerange(least, kept)
        least = kept + 1
    os.closerange(least, os.sysconf("SC_OPEN_MAX"))


def settle_in() -> None:
    """Leave the session of whoever started this process, and its terminal's signals."""
    if os.getsid(0) != os.getpid():
        _leave_session()
    os.chdir("/")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)


def let_go(folder: str) -> None:
    """Give up the inherited standard streams; from here on `note` writes to worker.log.

    For the starter, the end of a pipe it gave as standard error means: the worker listens.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(os.path.join(folder, "worker.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, number)
    os.close(nothing)
    os.close(log)


def note(line: str) -> None:
    """Write one line to standard error, worker.log after `let_go`; a full disk loses it."""
    try:
        os.write(2, line.encode(errors="replace") + b"\n")
    except OSError:
        return


def _opened(path: str, inherited: int | None) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if inherited is None:
            return fd
        if not os.path.sameopenfile(inherited, fd):
            raise Occupied(f"the lock that was handed down is not {path}")
    except OSError as error:
        raise Occupied(f"cannot open {path}: {error.strerror}") from None
    os.close(fd)
    os.set_inheritable(inherited, False)
    return inherited


def _lock(fd: int) -> None:
    """Take the lock; whoever only looks whether it is held has it for an instant.

    Raises:
        BlockingIOError: it is held by somebody who keeps it.
    """
    for _ in range(_LOOKS):
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


def _leave_session() -> None:
    try:
        os.setsid()
    except PermissionError:
        note("the worker leads a process group of its starter's session and stays in that session")
