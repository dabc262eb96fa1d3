"""The kernel's side of the guard: install the filter, receive what it holds, answer.

seccomp(2), seccomp_unotify(2); constants of include/uapi/linux/seccomp.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct

from workers.guard.architecture import NUMBERS, native

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_SPEC_ALLOW = 1 << 2  # else kernels before 5.16 slow all programs under a filter by a mitigation
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE_RECV = 1 << 5  # since Linux 5.19: a held call is interrupted by fatal signals only

_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_ID_VALID = 0x40082102
_SET_FLAGS = 0x40082104
_SYNC_WAKE_UP = 1
_CONTINUE = 1

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_ID = struct.Struct("=Q")
_CLEAN = bytes(_NOTIFICATION.size)

_libc = ctypes.CDLL(None, use_errno=True)


class Held:
    """One system call that waits for an answer. `task` is a thread id."""

    __slots__ = ("arch", "args", "id", "number", "task")

    def __init__(self, fields: tuple[int, ...]) -> None:
        self.id, self.task, _, self.number, self.arch, _, *rest = fields
        self.args = rest


class Listener:
    """The end at which held calls arrive."""

    __slots__ = ("_buffer", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        with contextlib.suppress(OSError):  # since Linux 6.6: no other processor is woken for each call
            fcntl.ioctl(fd, _SET_FLAGS, _SYNC_WAKE_UP)
        self._buffer = bytearray(_NOTIFICATION.size)

    def receive(self) -> Held | None:
        """Return the next held call; `None` when its task was interrupted or died meanwhile.

        Blocks when there is none: poll first.
        """
        self._buffer[:] = _CLEAN  # the kernel refuses a buffer that is not clean
        try:
            fcntl.ioctl(self.fd, _RECEIVE, self._buffer, True)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EINTR}:
                return None
            raise
        return Held(_NOTIFICATION.unpack(self._buffer))

    def waits(self, call: Held) -> bool:
        """Tell whether the task still waits for this answer: else its id may be another task's by now."""
        try:
            fcntl.ioctl(self.fd, _ID_VALID, _ID.pack(call.id))
        except OSError:
            return False
        return True

    def let_pass(self, call: Held) -> bool:
        """Let the kernel do the call; tell whether its task was still there."""
        return self._send(_RESPONSE.pack(call.id, 0, 0, _CONTINUE))

    def refuse(self, call: Held, number: int) -> bool:
        """Let the call fail with an errno; tell whether its task was still there."""
        return self._send(_RESPONSE.pack(call.id, 0, -number, 0))

    def _send(self, response: bytes) -> bool:
        try:
            fcntl.ioctl(self.fd, _SEND, response)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(program: bytes) -> int:
    """Put this thread and all it will start under the filter for good; return the listener's descriptor.

    Raises:
        OSError: EINVAL where the kernel has no user notification, EBUSY where a listener exists already
            above this process, EPERM or EACCES where a sandbox forbids it.
    """
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), 0))
    code = ctypes.create_string_buffer(program, len(program))
    argument = _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
    call = ctypes.c_long(NUMBERS[native()]["seccomp"])
    wanted = _NEW_LISTENER | _SPEC_ALLOW
    for flags in (wanted | _WAIT_KILLABLE_RECV, wanted):
        listener = _libc.syscall(
            call, ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(flags), ctypes.byref(argument)
        )
        if listener >= 0:
            return int(listener)
        if ctypes.get_errno() != errno.EINVAL:
            break
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
