"""Telling a program's user why a call of it is about to fail: a line on the task's own standard error.

The program itself only sees the errno; what it prints names neither the holder nor the way out.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import stat

_PIDFD_GETFD = 438  # the same number on every architecture since Linux 5.6
_STDERR = 2

_libc = ctypes.CDLL(None, use_errno=True)


def whisper(process: int, text: str) -> bool:
    """Write a line to standard error of a process (its pid, not that of a thread); tell whether it could be.

    A pipe or socket that nobody empties is left alone, so this never waits.
    """
    try:
        pidfd = os.pidfd_open(process)
    except OSError:
        return False
    try:
        fd = _libc.syscall(
            ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(pidfd), ctypes.c_int(_STDERR), ctypes.c_uint(0)
        )
    finally:
        os.close(pidfd)
    if fd < 0:
        return False
    try:
        return _write(fd, f"leasehold: {text}\n".encode(errors="replace")[:2048])
    except OSError:
        return False
    finally:
        os.close(fd)


def _write(fd: int, line: bytes) -> bool:
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(fd)) as end:
            return end.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) > 0
    if stat.S_ISREG(mode):
        return os.write(fd, line) > 0
    ready = select.poll()
    ready.register(fd, select.POLLOUT)
    # A pipe that is ready takes PIPE_BUF bytes, more than a line, without waiting.
    events = ready.poll(0)
    return bool(events) and events[0][1] == select.POLLOUT and os.write(fd, line) > 0
