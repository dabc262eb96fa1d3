"""Timers of the kernel that the event loop's own are not: they count suspend, and tell when the clock is set.

The loop sleeps by CLOCK_MONOTONIC, which stands still while the machine is suspended: what was due at seven
would come hours late after a night with the lid closed.
"""

from __future__ import annotations

import ctypes
import os
from types import TracebackType
from typing import Self

_BOOTTIME = 7
_REALTIME = 0
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are the same numbers
_ABSOLUTE_AND_CANCELLED_WHEN_SET = 1 | 2
_FAR = 1 << 40  # Unix seconds; nobody lives to see it
_LONGEST = 1 << 31  # seconds

_libc = ctypes.CDLL(None, use_errno=True)


class _Spec(ctypes.Structure):
    """struct itimerspec: the interval, then the first expiry, each in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "in_s", "in_ns")]


class _KernelTimer:
    """A timer's descriptor, which is readable once it has run out."""

    __slots__ = ("fd",)

    def __init__(self, kind: int) -> None:
        self.fd = _checked(_libc.timerfd_create(kind, _FLAGS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    def acknowledge(self) -> None:
        """Make it unreadable until it runs out again."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            pass  # set anew since it was seen
        except OSError as error:
            if error.errno != 125:  # ECANCELED, which is how a change of the clock is told
                raise

    def _set(self, flags: int, seconds: int, nanoseconds: int) -> None:
        spec = _Spec(0, 0, seconds, nanoseconds)
        _checked(_libc.timerfd_settime(self.fd, flags, ctypes.byref(spec), None))


class BootTimer(_KernelTimer):
    """Runs out after so many seconds of CLOCK_BOOTTIME: at once after a suspend that was longer."""

    def __init__(self) -> None:
        super().__init__(_BOOTTIME)

    def set(self, seconds: float | None) -> None:
        """Run out in `seconds`, or never (`None`); what was set before is forgotten."""
        if seconds is None:
            self._set(0, 0, 0)
            return
        whole, part = divmod(min(seconds, _LONGEST), 1.0)
        self._set(0, int(whole), max(int(part * 1e9), int(not whole)))  # nothing at all would be "never"


class ClockSet(_KernelTimer):
    """Is readable once somebody has set the wall clock, and after a suspend."""

    def __init__(self) -> None:
        super().__init__(_REALTIME)
        self.watch()

    def watch(self) -> None:
        """Tell of the next change."""
        self._set(_ABSOLUTE_AND_CANCELLED_WHEN_SET, _FAR, 0)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
