"""One poll loop: it wakes for a descriptor, a signal or a computed instant, and for nothing else."""

from __future__ import annotations

import select
import signal

from workers.session.kernel import BootTimer, Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.kernel import Received


class Loop:
    """Descriptors with what to do when they are ready, and the signals that wake the process."""

    __slots__ = ("_callbacks", "_poll", "_signals", "_swift", "_timer")

    def __init__(self, on_signal: Callable[[Received], None], numbers: tuple[int, ...]) -> None:
        self._poll = select.poll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._swift: set[int] = set()
        self._timer = BootTimer()
        self.watch(self._timer.fd, select.POLLIN, lambda _mask: self._timer.acknowledge())
        self._signals = Signals(numbers)
        self.watch(self._signals.fd, select.POLLIN, lambda _mask: self._deliver(on_signal))

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the ready mask whenever `fd` is ready."""
        self._callbacks[fd] = callback
        self._poll.register(fd, mask)

    def watch_swift(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        """Watch what a program of the session waits for: see `turn`."""
        self.watch(fd, mask, callback)
        self._swift.add(fd)

    def listen_for(self, fd: int, mask: int) -> None:
        """Change what a watched descriptor is watched for."""
        self._poll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor, before it is closed."""
        self._poll.unregister(fd)
        self._swift.discard(fd)
        del self._callbacks[fd]

    def turn(self, due: float) -> bool:
        """Wait until something is ready or `due` (CLOCK_BOOTTIME) has come, and serve what is ready.

        Tell whether that was swift, all of it.
        """
        self._timer.arm(due)
        swift = True
        for fd, mask in self._poll.poll():
            swift = swift and fd in self._swift
            callback = self._callbacks.get(fd)
            if callback is not None:
                callback(mask)
        return swift

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
