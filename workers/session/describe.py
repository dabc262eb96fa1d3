"""What a worker says of itself: who it is, how far its session is, and when that must end."""

from __future__ import annotations

import json
import os

from workers.session import life
from workers.session.clock import boot_id, boottime, wall
from workers.session.durable import write_durable, write_whole
from workers.session.proc import read_stat
from workers.session.spec import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.session.cgroup import Cgroup
    from workers.session.harness import Harness
    from workers.session.spec import Spec


def identity(spec: Spec, harness: Harness | None, cgroup: Cgroup | None) -> dict[str, object]:
    """Return the content of worker.json: what a supervisor needs to know this worker again."""
    stat = read_stat(os.getpid())
    return {
        "schema": SCHEMA,
        "session": spec.session,
        "task": spec.task,
        "pid": os.getpid(),
        "start_ticks": stat.start_ticks if stat else 0,
        "boot_id": boot_id(),
        "socket": spec.socket,
        "cgroup": cgroup.path if cgroup else None,
        "harness": {"pid": harness.pid, "start_ticks": harness.start_ticks} if harness else None,
    }


def greeting(content: dict[str, object], leases: Iterator[list[object]] | None) -> Iterator[bytes]:
    """Yield the first message to a client, `content` with the session's leases, in pieces: there may be thousands."""
    if leases is None:
        yield json.dumps({**content, "leases": None}).encode() + b"\n"
        return
    yield json.dumps(content)[:-1].encode() + b', "leases": ['
    comma = b""
    for portion in leases:
        if portion:
            yield comma + json.dumps(portion)[1:-1].encode()
            comma = b", "
    yield b"]}\n"


def describe(state: life.State) -> dict[str, object]:
    """Return the state's name with the data that belongs to it."""
    match state:
        case life.Starting() | life.Running():
            return {"state": state.name, **clocks(state)}
        case life.Paused():
            since = {"boottime": state.since, "wall": wall() - (boottime() - state.since)}
            return {"state": state.name, "by": state.by, "why": state.why, "since": since, **clocks(state)}
        case life.Stopping():
            ending = state.ending
            left = max(0.0, state.kill_at - boottime())
            return {
                "state": state.name,
                "cause": ending.cause,
                "by": ending.by,
                "why": ending.why,
                "kill_in": left,
            }
        case life.Over():
            ending = state.ending
            return {"state": state.name, "cause": ending.cause, "by": ending.by, "why": ending.why}


def clocks(state: life.Alive) -> dict[str, object]:
    """Return the deadline on both clocks, and the seconds until then; of a paused session, if it went on now."""
    left = time_left(state)
    return {"deadline": {"boottime": _deadline(state), "wall": wall() + left}, "left": left}


def time_left(state: life.Alive) -> float:
    """Return the seconds until the deadline, of which a paused session uses none."""
    now = state.since if isinstance(state, life.Paused) else boottime()
    return state.clocks.deadline - now


def _deadline(state: life.Alive) -> float:
    return state.clocks_at(boottime()).deadline if isinstance(state, life.Paused) else state.clocks.deadline


def write_deadline(path: str, state: life.Alive, paused_for: float, *, durably: bool) -> None:
    """Write the session's deadline to a file, with the boot that it belongs to and as Unix time.

    `paused_for` are the seconds for which its clocks have stood still so far.

    Raises:
        OSError: it could not be written; the file says what it said before.
    """
    left = time_left(state)
    content: dict[str, object] = {
        "schema": SCHEMA,
        "boot_id": boot_id(),
        "boottime": _deadline(state),
        "wall": wall() + left,
        "paused": None,
        "paused_for": paused_for,
    }
    if isinstance(state, life.Paused):
        content["paused"] = {"since": state.since, "left": left, "by": state.by, "why": state.why}
    write = write_durable if durably else write_whole
    write(path, content)
