"""A session that stands still: its cgroup frozen, or every descendant stopped, and let go on later."""

from __future__ import annotations

import os
import signal
import time

from workers.session import proc, tree
from workers.session.clock import boottime
from workers.session.kin import Kin

_ATTEMPT = 0.25  # seconds after which a tree that does not stand still is let go on
_SCANS = 3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.cgroup import Cgroup


class Freezer:
    """Halts the whole tree of a session and lets it go on."""

    __slots__ = ("_cgroup", "_stopped_before")

    def __init__(self, cgroup: Cgroup | None) -> None:
        self._cgroup = cgroup
        self._stopped_before: set[tuple[int, int]] = set()

    def halt(self) -> list[proc.Stat]:
        """Return what still moves: nothing when no process of the session runs any more, else all goes on.

        Blocks for a quarter of a second at most. What waits for this worker's own answer, or in vfork for a child
        that was stopped first, stands still at another attempt.

        Raises:
            OSError: the cgroup cannot be frozen.
        """
        until = boottime() + _ATTEMPT
        if self._cgroup is not None:
            moving = [] if self._cgroup.freeze(until) else self._cgroup.living()
        else:
            self._stopped_before = {
                (stat.pid, stat.start_ticks) for stat in tree.living(os.getpid()) if _stands(stat)
            }
            moving = self._stop_all(until)
        if moving:
            self.go_on()
        return moving

    def go_on(self) -> None:
        """Let everything go on that `halt` stopped; what had stopped itself before stays so."""
        if self._cgroup is not None:
            self._cgroup.thaw()
            return
        me = os.getpid()
        kin = Kin(me)
        for stat in tree.living(me):
            if (stat.pid, stat.start_ticks) not in self._stopped_before:
                kin.signal(stat.pid, signal.SIGCONT)
        self._stopped_before.clear()

    def _stop_all(self, until: float) -> list[proc.Stat]:
        me = os.getpid()
        kin = Kin(me)
        quiet = 0
        while True:
            moving = [stat for stat in tree.living(me) if not _stands(stat)]
            quiet = 0 if moving else quiet + 1
            if quiet == _SCANS:
                return []
            if moving and boottime() >= until:
                return moving
            for stat in moving:
                kin.signal(stat.pid, signal.SIGSTOP)
            time.sleep(0.001)


def _stands(stat: proc.Stat) -> bool:
    """Tell whether a living process is stopped, in all of its threads where the first has ended."""
    if stat.state in {"T", "t"}:
        return True
    if stat.state != "Z":
        return False
    threads = proc.thread_states(stat.pid)
    return all(state in {"T", "t", "Z", "X"} for state in threads)
