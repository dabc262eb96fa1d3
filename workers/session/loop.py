"""One poll loop: it wakes for a descriptor, a signal or a computed instant, and for nothing else."""

from __future__ import annotations

import os
import select
import signal
from time import monotonic

from workers.session.kernel import BootTimer, Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.kernel import Received

_MOMENT = 0.0001  # seconds: about twice what a supervisor that has nothing else to do takes for an answer
_REST = 8  # times without such a look after one in vain
_IS_COMPANY = len(os.sched_getaffinity(0)) > 1  # with one processor nobody could answer while we look


class Loop:
    """Descriptors with what to do when they are ready, and the signals that wake the process.

    What programs of the session wait for is `swift`. All others are behind one descriptor of their own, because the kernel
    looks at each one of a poll, whenever it begins and ends.
    """

    __slots__ = ("_in_vain", "_is_expecting", "_others", "_poll", "_rest", "_signals", "_swift", "_timer")

    def __init__(self, on_signal: Callable[[Received], None], numbers: tuple[int, ...]) -> None:
        self._swift: dict[int, Callable[[int], None]] = {}
        self._rest: dict[int, Callable[[int], None]] = {}
        self._is_expecting = False
        self._in_vain = 0  # times yet to sleep at once
        self._others = select.epoll()
        self._poll = select.poll()
        self._poll.register(self._others.fileno(), select.POLLIN)
        self._timer = BootTimer()
        self.watch(self._timer.fd, select.POLLIN, lambda _mask: self._timer.acknowledge())
        self._signals = Signals(numbers)
        self.watch(self._signals.fd, select.POLLIN, lambda _mask: self._deliver(on_signal))

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the ready mask whenever `fd` is ready."""
        self._rest[fd] = callback
        self._others.register(fd, mask)

    def watch_swift(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Watch what a program of the session waits for: see `turn`."""
        self._swift[fd] = callback
        self._poll.register(fd, mask)

    def listen_for(self, fd: int, mask: int) -> None:
        """Change what a watched descriptor is watched for."""
        (self._poll if fd in self._swift else self._others).modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor, before it is closed."""
        if self._swift.pop(fd, None) is not None:
            self._poll.unregister(fd)
        else:
            self._others.unregister(fd)
            del self._rest[fd]

    def expect(self) -> None:
        """Do not sleep for the next moment: something swift will be ready, and to be woken takes longer than it does."""
        if self._in_vain:
            self._in_vain -= 1
        else:
            self._is_expecting = _IS_COMPANY

    def turn(self, due: float) -> bool:
        """Wait until something is ready or `due` (CLOCK_BOOTTIME) has come, and serve what is ready.

        Tell whether that was swift, all of it.
        """
        self._timer.arm(due)
        is_swift = True
        ready = self._look_out() if self._is_expecting else None
        for fd, mask in ready or self._poll.poll():
            callback = self._swift.get(fd)
            if callback is not None:
                callback(mask)
            elif fd == self._others.fileno():
                is_swift = False
                self._serve_others()
        return is_swift

    def _look_out(self) -> list[tuple[int, int]]:
        """Return what gets ready within the moment."""
        self._is_expecting = False
        end = monotonic() + _MOMENT
        while not (ready := self._poll.poll(0)) and monotonic() < end:
            pass
        if not ready:
            self._in_vain = _REST  # whoever is to make it ready is busy, or waits for this processor
        return ready

    def _serve_others(self) -> None:
        for fd, mask in self._others.poll(0):
            callback = self._rest.get(fd)
            if callback is not None:
                callback(mask)

    def pause(self, seconds: float) -> None:
        """Wait up to so many seconds, less when a signal arrives; serve nothing."""
        waiting = select.poll()
        waiting.register(self._signals.fd, select.POLLIN)
        waiting.poll(seconds * 1000)
        self._signals.take()

    def _deliver(self, on_signal: Callable[[Received], None]) -> None:
        children = None
        for received in self._signals.take():
            if received.number == signal.SIGCHLD:
                children = received  # however many, one look finds them all
            else:
                on_signal(received)
        if children is not None:
            on_signal(children)


def is_readable(fd: int) -> bool:
    """Tell whether there is something to be read from a descriptor now, its end included."""
    return _state(fd) != 0


def has_hung_up(fd: int) -> bool:
    """Tell whether nothing comes after what there is to be read from a socket now."""
    return bool(_state(fd) & (select.POLLHUP | select.POLLRDHUP))


def _state(fd: int) -> int:
    look = select.poll()
    look.register(fd, select.POLLIN | select.POLLRDHUP)
    return next((mask for _, mask in look.poll(0)), 0)
