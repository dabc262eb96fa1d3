"""Ending a tree: killed again and again until the kernel itself says that nothing is left."""

from __future__ import annotations

import os
import signal

from workers.session import proc, tree
from workers.session.clock import boottime
from workers.session.failpoint import failpoint
from workers.session.kin import Kin
from workers.session.place import note

PATIENCE = 10.0  # seconds after which what is left is a survivor
_ROUNDS_BEFORE_FREEZE = 3
_EMPTY_SCANS = 3
_LONGEST_WAIT = 0.25  # seconds between two looks for what has come to be since the last
_KILL_AGAIN = 8  # rounds; a pid may pass to another process of the tree within a clock tick
_CGROUP_PATIENCE = 0.5  # seconds in which a killed cgroup is empty, unless something is odd about it
_DESCRIBED = 50  # of a fork bomb's thousands, this many are named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.cgroup import Cgroup
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
    `survivors` names what could not be killed, and is empty when the tree is gone; `unkillable`
    names what was a survivor for a time.
    """

    __slots__ = ("exit", "leaked", "leaks", "survivors", "unkillable")

    def __init__(self) -> None:
        self.exit: Exit | None = None
        self.leaked: list[dict[str, object]] = []
        self.leaks = 0
        self.survivors: list[dict[str, object]] = []
        self.unkillable: list[dict[str, object]] = []


class Sweep:
    """The end of one harness and all its descendants; `found` says what was met."""

    __slots__ = ("_cgroup", "_harness", "_hunt", "_pause", "found")

    def __init__(
        self, harness: Harness, pause: Callable[[float], None], cgroup: Cgroup | None = None
    ) -> None:
        """`pause` waits up to so many seconds, less when a child ends."""
        self.found = Swept()
        self._harness = harness
        self._pause = pause
        self._cgroup = cgroup
        self._hunt: _Hunt | None = None

    def run(self, patience: float = PATIENCE) -> Swept:
        """Kill, reap and tell; block for at most about `patience` seconds.

        Nothing that could be asked meanwhile would change its course.
        """
        give_up_at = boottime() + patience
        swept = self.found
        swept.exit = self._harness.ended()
        leader_left = swept.exit is not None
        if not leader_left:
            self._harness.kill()
            failpoint("worker.leader_killed")
        hunt = self._hunt = _Hunt(self._harness, swept if leader_left else None)
        if self._cgroup is not None:
            self._kill_cgroup(self._cgroup, hunt)
        while not (hunt.finish(self._scans()) and self._proven_empty()):
            if boottime() >= give_up_at:
                swept.survivors = [proc.describe_survivor(stat) for stat in self._left()[:_DESCRIBED]]
                break
            hunt.wait(self._pause, give_up_at)
        swept.exit = hunt.exit or self._harness.ended()
        return swept

    def gone_since(self) -> bool:
        """Look again after a child of the worker has ended; tell whether the last survivor is gone."""
        if self._hunt is None or not (self._hunt.finish(_EMPTY_SCANS) and self._proven_empty()):
            return False
        self.found.exit = self._hunt.exit
        self.found.unkillable, self.found.survivors = self.found.survivors, []
        return True

    def _kill_cgroup(self, cgroup: Cgroup, hunt: _Hunt) -> None:
        try:
            inside = cgroup.living()
            hunt.note(inside)
            cgroup.kill()
            hunt.kill([stat for stat in inside if stat.state == "Z"])  # without its first thread: passed over
            cgroup.wait_empty(boottime() + _CGROUP_PATIENCE)
        except OSError as error:
            note(f"{cgroup.path}: {error.strerror}; its processes are killed one by one")
            self._cgroup = None

    def _scans(self) -> int:
        return 0 if self._cgroup is not None and self._cgroup.is_empty() else _EMPTY_SCANS

    def _proven_empty(self) -> bool:
        if self._cgroup is None or self._cgroup.is_empty():
            return True
        self._cgroup.kill()
        return False

    def _left(self) -> list[proc.Stat]:
        left = tree.living(os.getpid()) or tree.descendants(os.getpid())
        known = {stat.pid for stat in left}
        inside = self._cgroup.living() if self._cgroup is not None else []
        return left + [stat for stat in inside if stat.pid not in known]


class _Hunt:
    """Rounds of one sweep.

    A process is killed once, for SIGKILL cannot be missed; then its death is waited for rather than
    looked for, so that a hundred sweeps at once leave the dying the time to die.
    """

    __slots__ = ("_dying", "_fights", "_harness", "_killed", "_kin", "_known", "_report", "_round", "exit")

    def __init__(self, harness: Harness, report: Swept | None) -> None:
        self._harness = harness
        self._report = report
        self._round = 0
        self._fights = 0  # rounds that met processes which were not there before
        self._kin = Kin(os.getpid())
        self._known: set[tuple[int, int]] = set()
        self._killed: set[tuple[int, int]] = set()
        self._dying: dict[int, int] = {}  # killed and not yet seen dead: pid and start time
        self.exit: Exit | None = None

    def wait(self, pause: Callable[[float], None], until: float) -> None:
        """Wait until all that were killed are dead, or it is time for another look."""
        until = min(until, boottime() + min(_LONGEST_WAIT, 0.002 * 2 ** min(self._round, 8)))
        while (left := until - boottime()) > 0:
            pause(left)
            if self._all_dead():
                return

    def finish(self, scans: int) -> bool:
        """Kill what lives; tell whether nothing does, which empty scans and the kernel must confirm."""
        if self.exit is None:
            for _ in range(scans):
                if self._strike():
                    return False
            self.exit = self._harness.ended()
            if self.exit is None:
                return False
            self._harness.collect()
        if _no_children():
            return True
        self._strike()
        return _no_children()

    def _strike(self) -> int:
        self._round += 1
        me = os.getpid()
        found = tree.descendants(me)
        alive = [stat for stat in found if proc.is_alive(stat)]
        self.note(alive)
        if self._are_new(alive):
            self._fights += 1
            if self._fights > _ROUNDS_BEFORE_FREEZE:
                self._freeze()
                found = tree.descendants(me)
                alive = [stat for stat in found if proc.is_alive(stat)]
        self.kill(alive)
        for stat in found:
            if stat.parent == me and stat.pid != self._harness.pid:
                _collect(stat.pid)
        return len(alive)

    def _are_new(self, alive: list[proc.Stat]) -> bool:
        return any((stat.pid, stat.start_ticks) not in self._killed for stat in alive)

    def _all_dead(self) -> bool:
        """Reap what has died of those that were killed; tell whether all have."""
        for pid, start_ticks in list(self._dying.items()):
            if pid == self._harness.pid and self.exit is None:
                if self._harness.ended() is None:
                    continue
            elif not _collect(pid):
                stat = proc.read_stat(pid)  # not our child: its parent may have reaped it, or be about to die
                if stat is not None and stat.start_ticks == start_ticks and proc.is_alive(stat):
                    continue
            del self._dying[pid]
            self._killed.discard((pid, start_ticks))
        return not self._dying

    def kill(self, alive: list[proc.Stat]) -> None:
        """Send SIGKILL to these, once each as a rule, as far as they are descendants."""
        again = self._round % _KILL_AGAIN == 0
        for stat in alive:
            who = (stat.pid, stat.start_ticks)
            if (again or who not in self._killed) and self._kin.signal(
                stat.pid, signal.SIGKILL, signal.SIGCONT
            ):
                self._killed.add(who)
                self._dying[stat.pid] = stat.start_ticks

    def _freeze(self) -> None:
        # Killing a fork bomb one by one makes room for its next forks; stopped processes keep the room.
        _take_precedence()
        me = os.getpid()
        for _ in range(20):
            moving = [
                stat for stat in tree.living(me) if stat.state not in {"T", "t"} and self._are_new([stat])
            ]
            for stat in moving:
                self._kin.signal(stat.pid, signal.SIGSTOP)
            if not moving:
                return

    def note(self, alive: list[proc.Stat]) -> None:
        """Report these living processes as leaked, once each, if the leader left them behind."""
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


def _collect(pid: int) -> bool:
    """Reap a child that has ended; tell whether it was one."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _no_children() -> bool:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            return True
