"""The worker itself: it feeds what happens to `life.step`, and does what follows."""

from __future__ import annotations

import select
import signal

from workers.guard.rights import Rights
from workers.session import describe, life, notify, requests
from workers.session.birth import bear
from workers.session.cgroup import open_cgroup
from workers.session.clock import FOREVER, boottime, hour, span, wall
from workers.session.command import Unrunnable, explain
from workers.session.durable import write_whole
from workers.session.end import End
from workers.session.failpoint import failpoint
from workers.session.freeze import Freezer
from workers.session.guarding import Off, Pending, prepare, receive
from workers.session.harness import Exit, Harness
from workers.session.life import (
    Effect,
    Ending,
    Exited,
    Halted,
    NotStarted,
    Over,
    Silent,
    Started,
    Starting,
    StopAsked,
)
from workers.session.logs import Logs, Notices
from workers.session.loop import Loop
from workers.session.place import note
from workers.session.sender import sender
from workers.session.sweep import reap_orphans
from workers.session.timekeeping import Timekeeping
from workers.session.wire import Wire, open_listener

_LONG = 366 * 86400.0  # seconds; for how long a pause may last is the operator's affair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.guard.guard import Guard
    from workers.session.birth import Birth
    from workers.session.halting import Halting
    from workers.session.kernel import Received
    from workers.session.spec import Spec
    from workers.session.wire import Client


class Worker:
    """One session from its start to its exit record."""

    __slots__ = (
        "_cgroup",
        "_exit",
        "_guard",
        "_harness",
        "_logs",
        "_loop",
        "_time",
        "_wire",
        "end",
        "freezer",
        "halting",
        "notices",
        "rights",
        "spec",
        "state",
    )

    def __init__(self, spec: Spec, listen_fd: int | None) -> None:
        self.spec = spec
        now = boottime()
        begun = life.begin(spec.budget, now)
        self.state: life.State = begun
        self.rights = Rights(spec.guard.repo if spec.guard else "", spec.session)
        if spec.guard:
            self.rights.replace(spec.guard.leases)
        self._guard: Guard | Off = Off("it is not in place yet", level="")
        self._exit: Exit | None = None
        self._harness: Harness | None = None
        self._cgroup = open_cgroup(spec.cgroup)
        self.freezer = Freezer(self._cgroup)
        self.halting: Halting | None = None
        self._logs = Logs(spec.folder, spec.log_limit)
        self.notices = Notices(spec.folder)
        self._loop = Loop(self._signalled, (signal.SIGCHLD, signal.SIGTERM))
        failpoint("worker.spec_read")
        listener = open_listener(spec.socket, listen_fd)
        failpoint("worker.listening")
        self._wire = Wire(listener, spec.socket, self._loop, self._greeting, self._asked)
        self.end = End(spec, (now, wall()), self._loop, self._wire, self._logs)
        self.end.reserve()
        self._time = Timekeeping(spec, begun)
        write_whole(spec.path("worker.json"), describe.identity(spec, None, self._cgroup))
        failpoint("worker.described")

    def run(self, mask: int) -> int:
        """Start the harness with umask `mask`, see it to its end, and return this process's exit code."""
        try:
            ending = self._see_through(mask)
        except Exception as error:  # noqa: BLE001  - whatever goes wrong here, the tree must not be left alone
            import traceback  # costs every worker time and memory, and one in ten thousand needs it

            note(traceback.format_exc())
            ending = Ending("internal", "worker", f"a fault of the worker itself: {error!r}; see worker.log")
        self.state = Over(ending)
        requests.attempt_pause(self)  # to tell who waits for it that it is too late
        return self.end.conclude(
            ending, self._harness, self._exit, self._time.paused_for(self.state), self._cgroup, self._guard
        )

    def _see_through(self, mask: int) -> Ending:
        self._start(mask)
        self._logs.attach(self._loop)
        while not isinstance(self.state, Over):
            retry_at = self.halting.next_at if self.halting else FOREVER
            due = min(life.next_due(self.state), self._logs.check_at, self._guard.due(), retry_at)
            while self._loop.turn(due) and self._guard.due() >= due:
                pass  # a program of the session writes one file after the other, and nothing else happens
            requests.attempt_pause(self)
            # Else only a held call was served, as a program writes one file after the other.
            if boottime() >= due:
                self._guard.look()
                self._logs.check(boottime())
                self.feed(life.Due())
        return self.state.ending

    # -- what happens -----------------------------------------------------------------------------

    def feed(self, event: life.Event) -> None:
        """Let the state answer an event, and do what follows from it."""
        now = boottime()
        before = self.state
        self.state, effects = life.step(before, event, self.spec.budget, now)
        self._time.note_pause(before, self.state, now)
        for effect in effects:
            match effect:
                case Effect.WARN:
                    self._warn()
                case Effect.LOOK:
                    if self._logs.silent():
                        self.feed(Silent())
                case Effect.THAW:
                    self._go_on()
                case Effect.SOFTLY:
                    self._ask_to_leave()

    def _asked(self, client: Client, request: dict[str, object]) -> None:
        requests.take(self, client, request)

    def extend(self, event: life.Extended) -> None:
        """Lengthen the budget once the new deadline is durable.

        Raises:
            OSError: it could not be written; the budget is as it was.
        """
        state, _ = life.step(self.state, event, self.spec.budget, boottime())
        self._time.write(state, durably=True)
        self.state = state
        self._time.note_extension(event.seconds)
        self._time.allow(state)

    def halted(self, by: str, why: str) -> None:
        """Let the clocks of the session stand still too, now that all of it does.

        Raises:
            OSError: the deadline could not be written; it goes on.
        """
        state, _ = life.step(self.state, Halted(by, why), self.spec.budget, boottime())
        try:
            self._time.write(state, durably=False)
        except OSError:
            self.freezer.go_on()
            raise
        self.state = state
        self._wire.tell({"event": "paused", "by": by, "why": why})
        notify.allow(_LONG)

    def _signalled(self, received: Received) -> None:
        if received.number == signal.SIGTERM:
            ending = Ending("stop", sender(received.pid, received.uid), "the worker received SIGTERM")
            self.feed(StopAsked(ending, self.spec.budget.grace))
        elif received.number == signal.SIGCHLD:
            self._child_changed()

    def _child_changed(self) -> None:
        harness = self._harness
        if harness is None:
            return
        reap_orphans(harness.pid)
        ended = harness.ended()
        if ended is None or isinstance(self.state, Starting):
            return
        if self._exit is None:
            self._exit = ended
            failpoint("worker.exit_noticed")
            self.end.tell_exit(ended)
            failpoint("worker.exit_told")
        self.feed(Exited(ended.sentence(), alone=not harness.group_lives()))

    # -- what follows -----------------------------------------------------------------------------

    def _start(self, mask: int) -> None:
        spec = self.spec
        try:
            birth = bear(spec, self._logs, self._cgroup, self._prepared, mask)
        except Unrunnable as error:
            self.feed(NotStarted(str(error)))
            return
        self._harness = birth.launch.harness
        if birth.guard is not None:
            assert spec.guard is not None  # noqa: S101  - else nothing would be pending
            receive(birth.guard, spec.guard, self._loop, self.rights, self._guard_settled, self._told)
        failpoint("worker.forked")
        self._loop.watch(birth.launch.outcome_fd, select.POLLIN, lambda _mask: self._launched(birth))
        try:
            write_whole(spec.path("worker.json"), describe.identity(spec, self._harness, self._cgroup))
        except OSError as error:
            note(f"worker.json does not name the harness, pid {self._harness.pid}: {error.strerror}")
        failpoint("worker.harness_described")

    def _prepared(self) -> Pending | None:
        guard = prepare(self.spec.guard)
        if isinstance(guard, Pending):
            return guard
        self._unguarded(guard)
        return None

    def _unguarded(self, guard: Off) -> None:
        guard.attend(self._loop, self.spec.env)
        self._guard = guard

    def _guard_settled(self, guard: Guard | Off) -> None:
        if isinstance(guard, Off):
            self._unguarded(guard)
        self._guard = guard
        self._wire.tell({"event": "guard", **guard.report()})

    def _told(self, text: str) -> None:
        self._wire.tell({"event": "told", "text": text})
        self._notify(text)

    def _launched(self, birth: Birth) -> None:
        self._loop.forget(birth.launch.outcome_fd)
        failure = birth.launch.failure()
        if failure is not None:
            self.feed(NotStarted(explain(birth.command, *failure)))
            return
        harness = birth.launch.harness
        if self._cgroup is not None and not self._cgroup.holds(harness.pid):
            self._do_without_cgroup()
        failpoint("worker.execed")
        self.end.confined = self.spec.confine is not None
        self.feed(Started())
        told = {"pid": harness.pid, "start_ticks": harness.start_ticks, "confined": self.end.confined}
        self._wire.tell({"event": "started", **told})
        failpoint("worker.started_told")
        self._child_changed()

    def _do_without_cgroup(self) -> None:
        assert self._cgroup is not None  # noqa: S101  - the caller has one
        note(f"the session runs without a cgroup: its harness could not enter {self._cgroup.path}/tree")
        self._cgroup.remove()
        self._cgroup = None
        self.freezer = Freezer(None)
        write_whole(self.spec.path("worker.json"), describe.identity(self.spec, self._harness, None))

    def _go_on(self) -> None:
        self.freezer.go_on()
        if not isinstance(self.state, life.Running):
            return
        try:
            self._time.write(self.state, durably=False)
        except OSError as error:
            note(f"deadline.json still says that the session is paused: {error.strerror}")
        self._wire.tell({"event": "resumed", "left": describe.time_left(self.state)})
        self._time.allow(self.state)

    def _warn(self) -> None:
        if not isinstance(self.state, life.Running):
            return
        left = describe.time_left(self.state)
        self._wire.tell({"event": "warned", "left": left})
        self._notify(
            f"Your time budget ends in {span(left)}, at {hour(wall() + left)}: commit what you have and finish."
        )

    def _ask_to_leave(self) -> None:
        if not isinstance(self.state, life.Stopping) or self._harness is None:
            return
        ending = self.state.ending
        notify.allow(self.state.kill_at - boottime() + notify.SLACK)
        self._wire.tell({"event": "stopping", "cause": ending.cause, "by": ending.by, "why": ending.why})
        failpoint("worker.stop_told")
        self._notify(f"This session is being stopped: {ending.why}.")
        self._harness.signal_group(self.spec.soft_signal)

    def _notify(self, text: str) -> None:
        try:
            self.notices.add(text)
        except OSError as error:
            note(f"the session could not be told ({error.strerror}): {text}")

    # -- what is told -----------------------------------------------------------------------------

    def _greeting(self) -> Iterator[bytes]:
        self._guard.hear()
        identity = describe.identity(self.spec, self._harness, self._cgroup)
        return describe.greeting({"event": "hello", **identity, **self.report()}, self.rights.portions())

    def report(self) -> dict[str, object]:
        """Return the state of the session, with the exit record once there is one."""
        time, guard = self._time.report(self.state), self._guard.report()
        return describe.describe(self.state) | time | {"guard": guard} | self.end.report()

    def reply(self, client: Client, number: object, answer: dict[str, object]) -> None:
        """Answer the request `number` of a client."""
        self._wire.send(client, {"id": number, **answer})
