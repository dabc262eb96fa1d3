"""Who descends from whom, and the only way in which the worker signals a process that it did not fork."""

from __future__ import annotations

import os
import signal

from workers.session.proc import read_stat


class Kin:
    """The descendants of `root`, each believed only after its chain of parents was followed.

    What is proven once, as pid and start time, need not be climbed over again: with a sub-reaper as
    root a descendant stays one until it dies. That keeps long chains from costing their square.
    """

    __slots__ = ("_proven", "_root")

    def __init__(self, root: int) -> None:
        self._root = root
        self._proven: set[tuple[int, int]] = set()

    def includes(self, pid: int) -> bool:
        """Tell whether `pid` is a descendant, as far as can be proven now."""
        climbed: list[tuple[int, int]] = []
        while len(climbed) < 65536:
            stat = read_stat(pid)
            if stat is None:
                return False
            climbed.append((stat.pid, stat.start_ticks))
            if stat.parent == self._root or climbed[-1] in self._proven:
                self._proven.update(climbed)
                return True
            if stat.parent <= 1:
                return False
            pid = stat.parent
        return False

    def signal(self, pid: int, *numbers: int) -> bool:
        """Send signals to `pid` if it is a descendant; tell whether they were sent.

        The pidfd is opened first and the descent checked after: should the number have passed to another
        process in between, either the check fails or the signal meets a process that is gone.
        """
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if not self.includes(pid):
                return False
            for number in numbers:
                signal.pidfd_send_signal(pidfd, number)
        except OSError:
            return False
        finally:
            os.close(pidfd)
        return True
