"""The end of a session: tree swept, record durable, everybody who waits told, socket removed."""

from __future__ import annotations

import os

from workers.session import notify
from workers.session.clock import FOREVER, boottime, wall
from workers.session.durable import reserve, write_durable
from workers.session.failpoint import failpoint
from workers.session.place import note
from workers.session.record import Times, exit_record, met
from workers.session.sweep import Sweep, Swept

_FAREWELL = 0.5  # seconds that slow clients have to read the last event
_RESERVE = 16384  # bytes set aside for the record
_RETRY = 5.0  # seconds between two attempts to write the record on a full disk
_PATIENCE = 600.0  # seconds after which the worker leaves without

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.guard import Guard
    from workers.session.cgroup import Cgroup
    from workers.session.guarding import Off
    from workers.session.harness import Exit, Harness
    from workers.session.life import Ending
    from workers.session.logs import Logs
    from workers.session.loop import Loop
    from workers.session.spec import Spec
    from workers.session.wire import Client, Wire


class End:
    """What is left to do when it is decided that a session ends, and who waits for it."""

    __slots__ = ("_logs", "_loop", "_record", "_spec", "_started", "_waiting", "_wire", "confined")

    def __init__(self, spec: Spec, started: tuple[float, float], loop: Loop, wire: Wire, logs: Logs) -> None:
        self._spec = spec
        self._started = started
        self._loop = loop
        self._wire = wire
        self._logs = logs
        self._record: dict[str, object] = {}
        self._waiting: list[tuple[Client, object]] = []
        self.confined = False  # until the harness runs under its rules

    def reserve(self) -> None:
        """Set room aside for the exit record, before the session can fill the disk."""
        try:
            reserve(self._spec.path("exit.json"), _RESERVE)
        except OSError as error:
            note(f"no room is set aside for exit.json: {error.strerror}")

    def tell_when_gone(self, client: Client, number: object) -> None:
        """Answer the request `number` of a client when no process of the session is left."""
        self._waiting.append((client, number))
        if self._record:
            self._answer()

    def tell_exit(self, ended: Exit) -> None:
        """Tell everybody how the leader ended."""
        self._wire.tell({"event": "exited", "code": ended.code, "signal": ended.signal})

    def report(self) -> dict[str, object]:
        """Return whether the session is confined, and the exit record under its name, once there is one."""
        record = {"record": self._record} if self._record else {}
        return {"confined": self.confined, **record}

    def conclude(
        self,
        ending: Ending,
        harness: Harness | None,
        told: Exit | None,
        paused_for: float,
        cgroup: Cgroup | None,
        guard: Guard | Off,
    ) -> int:
        """Do all of it and return the worker's exit code: 0 when the record is on disk.

        `told` is how the leader ended, if the clients know of that already.
        """
        notify.allow(notify.SLACK)
        guard.rest()
        sweep = Sweep(harness, self._loop.pause, cgroup) if harness else None
        swept = sweep.run() if sweep else Swept()
        guard.close()
        failpoint("worker.swept")
        if ending.cause == "unspawned":
            swept.exit, harness = None, None  # the status is the fork's, which never became the harness
        if swept.exit and told is None:
            self.tell_exit(swept.exit)
        self._logs.trim()
        limits = cgroup.limits_met() if cgroup else {}

        def record() -> dict[str, object]:
            times = Times(self._started[1], wall(), boottime() - self._started[0])
            return {
                **exit_record(ending, times, swept),
                "why": ending.why + met(limits),
                "session": self._spec.session,
                "task": self._spec.task,
                "harness_pid": harness.pid if harness else None,
                "paused": paused_for,
                "limits": limits,
                "guard": guard.report(),
                "confined": self.confined,
                "log": self._logs.report(),
            }

        self._record = record()
        failpoint("worker.record_made")
        written = self._write()
        failpoint("worker.record_durable")
        if sweep is not None and swept.survivors:
            self._outlast(sweep)
            self._record = record()
            written = self._write()
        if cgroup is not None:
            cgroup.remove()
        self._wire.tell({"event": "ended", "record": self._record})
        failpoint("worker.ended_told")
        self._answer()
        written = written or self._write_late()
        self._wire.close(_FAREWELL)
        failpoint("worker.socket_removed")
        return 0 if written else 1

    def _outlast(self, sweep: Sweep) -> None:
        """Stay until the last process that no signal could end is gone: while this worker lives, it is not."""
        self._wire.tell({"event": "unkillable", "survivors": sweep.found.survivors})
        self._answer()
        while not sweep.gone_since():
            self._loop.turn(FOREVER)  # the kernel says when a child ends

    def _answer(self) -> None:
        survivors = self._record["survivors"]
        answer: dict[str, object] = {"ok": True}
        if survivors:
            answer = {"ok": False, "error": "some processes cannot be killed", "survivors": survivors}
        for client, number in self._waiting:
            self._wire.send(client, {"id": number, **answer})
        self._waiting.clear()

    def _write_late(self) -> bool:
        """Keep the record to be had here while it is on no disk, for as long as is bearable; tell whether it is on one."""
        give_up_at = boottime() + _PATIENCE
        # A folder that is gone does not come back; a full disk gets room.
        while os.path.isdir(self._spec.folder) and boottime() < give_up_at:
            notify.allow(_RETRY + notify.SLACK)
            self._loop.turn(boottime() + _RETRY)
            if self._write():
                return True
        return False

    def _write(self) -> bool:
        for then in ("; the logs were cut to make room", ""):
            try:
                write_durable(self._spec.path("exit.json"), self._record)
            except OSError as error:
                self._logs.sacrifice()  # first, so that the next line finds room too
                self._record["log"] = self._logs.report()
                note(f"exit.json cannot be written: {error.strerror}{then}")
            else:
                return True
        return False
