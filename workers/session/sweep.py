"""Ending a tree: killed again and again until the kernel itself says that nothing is left."""

from __future__ import annotations

import os
import signal

from workers.session import proc, tree
from workers.session.clock import boottime
from workers.session.failpoint import failpoint
from workers.session.kin import Kin

PATIENCE = 10.0  # seconds after which what is left is a survivor
_ROUNDS_BEFORE_FREEZE = 3
_EMPTY_SCANS = 3
_DESCRIBED = 50  # of a fork bomb's thousands, this many are named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.harness import Exit, Harness


def _take_precedence() -> None:
    """Run before ordinary processes from here on, where that is allowed: else a fork bomb leaves no time to hunt it.

    By niceness, not as a real-time process: one that walks /proc was seen to spin for most of a second
    on what a dying thread held, while the thread could not run.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        if os.getsid(0) == os.getpid():
            # With autogroups each session is one competitor, and only its group's niceness counts.
            with open("/proc/self/autogroup", "w", encoding="ascii") as file:
                file.write("-20")
    except OSError:
        return  # not for this user (RLIMIT_NICE), or no autogroups


class Swept:
    """What a sweep found.

    `leaked` names processes that outlived a leader which was not killed, `leaks` counts them;
    `survivors` names what could not be killed, and is empty when the tree is gone.
    """

    __slots__ = ("exit", "leaked", "leaks", "survivors")

    def __init__(self) -> None:
        self.exit: Exit | None = None
        self.leaked: list[dict[str, object]] = []
        self.leaks = 0
        self.survivors: list[dict[str, object]] = []


def sweep(harness: Harness, pause: Callable[[float], None], patience: float = PATIENCE) -> Swept:
    """Kill the harness and all its descendants, reap them, and say what was found.

    `pause` waits up to so many seconds, less when a child ends. Blocks for at most about `patience`
    seconds: nothing that could be asked meanwhile would change its course.
    """
    give_up_at = boottime() + patience
    swept = Swept()
    swept.exit = harness.ended()
    leader_left = swept.exit is not None
    if not leader_left:
        harness.kill()
        failpoint("worker.leader_killed")
    _take_precedence()
    hunt = _Hunt(harness, swept if leader_left else None)
    while not hunt.finish():
        if boottime() >= give_up_at:
            left = tree.living(os.getpid()) or tree.descendants(os.getpid())
            swept.survivors = [proc.describe_survivor(stat) for stat in left[:_DESCRIBED]]
            break
        pause(hunt.interval())
    swept.exit = hunt.exit or harness.ended()
    return swept


class _Hunt:
    """Rounds of one sweep."""

    __slots__ = ("_harness", "_kin", "_known", "_report", "_round", "exit")

    def __init__(self, harness: Harness, report: Swept | None) -> None:
        self._harness = harness
        self._report = report
        self._round = 0
        self._kin = Kin(os.getpid())
        self._known: set[tuple[int, int]] = set()
        self.exit: Exit | None = None

    def interval(self) -> float:
        return min(0.02, 0.0005 * self._round)

    def finish(self) -> bool:
        """Kill what lives; tell whether nothing does, which three empty scans and the kernel must confirm."""
        if self.exit is None:
            for _ in range(_EMPTY_SCANS):
                if self._strike():
                    return False
            self.exit = self._harness.ended()
            if self.exit is None:
                return False
            self._harness.collect()
        self._strike()
        return _no_children()

    def _strike(self) -> int:
        self._round += 1
        me = os.getpid()
        found = tree.descendants(me)
        self._note([stat for stat in found if proc.is_alive(stat)])
        if self._round > _ROUNDS_BEFORE_FREEZE:
            self._freeze()
            found = tree.descendants(me)
        alive = [stat for stat in found if proc.is_alive(stat)]
        for stat in alive:
            self._kin.signal(stat.pid, signal.SIGKILL, signal.SIGCONT)
        for stat in found:
            if stat.parent == me and stat.pid != self._harness.pid:
                _collect(stat.pid)
        return len(alive)

    def _freeze(self) -> None:
        # Killing a fork bomb one by one makes room for its next forks; stopped processes keep the room.
        me = os.getpid()
        for _ in range(20):
            moving = [stat for stat in tree.living(me) if stat.state not in {"T", "t"}]
            for stat in moving:
                self._kin.signal(stat.pid, signal.SIGSTOP)
            if not moving:
                return

    def _note(self, alive: list[proc.Stat]) -> None:
        if self._report is None:
            return
        for stat in alive:
            if (stat.pid, stat.start_ticks) in self._known:
                continue
            self._known.add((stat.pid, stat.start_ticks))
            self._report.leaks += 1
            if len(self._report.leaked) < _DESCRIBED:
                self._report.leaked.append(proc.describe(stat))


def reap_orphans(leader: int) -> None:
    """Collect dead children until none is left or the leader, who is collected last, stands first."""
    while True:
        try:
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if seen is None or seen.si_pid == leader:
            return
        _collect(seen.si_pid)


def _collect(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _no_children() -> bool:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            return True
