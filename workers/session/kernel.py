"""The kernel calls that the standard library does not offer: prctl, inotify, timerfd, signalfd and fallocate."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLOCK_BOOTTIME = 7
_TFD_TIMER_ABSTIME = 1
_IN_MODIFY = 0x2
_IN_ONESHOT = 0x80000000
_FALLOC_FL_KEEP_SIZE = 1
_FALLOC_FL_PUNCH_HOLE = 2


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def become_subreaper() -> None:
    """Make every descendant whose parent dies a child of this process."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0))


def die_with_parent() -> None:
    """Ask for SIGKILL when the thread that forked this process ends; the caller checks getppid() after."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0))


def give_memory_back() -> None:
    """Return what was freed to the machine, where the C library keeps it: glibc does until it is asked."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Give the blocks of a range of a file back to the file system; the size stays.

    Raises:
        OSError: EOPNOTSUPP where the file system cannot.
    """
    mode = _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE
    _checked(_libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


class BootTimer:
    """A timer on CLOCK_BOOTTIME for a poll loop: poll's own timeout stands still while the machine sleeps."""

    __slots__ = ("_armed", "fd")

    def __init__(self) -> None:
        self.fd = _checked(_libc.timerfd_create(_CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        self._armed = 0.0

    def arm(self, when: float) -> None:
        """Make the timer readable at `when` (CLOCK_BOOTTIME seconds); infinity disarms it."""
        if when == self._armed:
            return
        # All zeroes disarms, so an instant at or before the boot becomes the first nanosecond after it.
        nanoseconds = 0 if when == float("inf") else max(1, int(when * 1e9))
        spec = (ctypes.c_long * 4)(0, 0, nanoseconds // 10**9, nanoseconds % 10**9)
        _checked(_libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, spec, None))
        self._armed = when

    def acknowledge(self) -> None:
        """Take note of an expiry, so that the timer is quiet until it is armed again."""
        self._armed = 0.0
        _drain(self.fd)


class Received:
    """A signal that has arrived; `pid` is 0 where the sender is not of this pid namespace, or was the kernel."""

    __slots__ = ("number", "pid", "uid")

    def __init__(self, number: int, pid: int, uid: int) -> None:
        self.number = number
        self.pid = pid
        self.uid = uid


class Signals:
    """Blocks some signals and has them, with who sent each, from a descriptor."""

    __slots__ = ("fd",)

    def __init__(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            # An ignored SIGCHLD would be inherited, and no child waited for.
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        mask = sum(1 << (number - 1) for number in numbers).to_bytes(8, sys.byteorder).ljust(128, b"\0")
        self.fd = _checked(_libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC))

    def take(self) -> list[Received]:
        """Return what has arrived, without waiting."""
        found: list[Received] = []
        while True:
            try:
                content = os.read(self.fd, 16 * 128)
            except BlockingIOError:
                return found
            for at in range(0, len(content), 128):
                # struct signalfd_siginfo: ssi_signo, ssi_errno, ssi_code, ssi_pid, ssi_uid, ...
                number, _, _, pid, uid = (
                    int.from_bytes(content[at + 4 * field : at + 4 * field + 4], sys.byteorder)
                    for field in range(5)
                )
                found.append(Received(number, pid, uid))


class ModifyWatch:
    """Tells once when one of the files is next written to, then stays silent until it is set again.

    Making one raises OSError (EMFILE) when the user's inotify instances are used up.
    """

    __slots__ = ("_paths", "fd")

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._paths = paths

    def set(self) -> None:
        """Report the next write to each file.

        Raises:
            OSError: ENOSPC when the user's inotify watches are used up.
        """
        mask = ctypes.c_uint32(_IN_MODIFY | _IN_ONESHOT)
        for path in self._paths:
            _checked(_libc.inotify_add_watch(self.fd, os.fsencode(path), mask))

    def acknowledge(self) -> None:
        """Discard the reports: what they say is read from the files themselves."""
        _drain(self.fd)


def _drain(fd: int) -> None:
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        return
