"""The worker's command: take the folder, read the specification, run the session."""

from __future__ import annotations

import os

from workers.session import kernel, notify
from workers.session.clock import wall
from workers.session.durable import write_durable
from workers.session.failpoint import POINTS, arm, failpoint
from workers.session.life import Ending
from workers.session.place import Occupied, close_inherited, let_go, note, settle_in, take
from workers.session.record import Times, exit_record
from workers.session.spec import SpecError, read_spec
from workers.session.sweep import Swept
from workers.session.worker import Worker

USAGE = "SESSION_DIR [--listen-fd N] [--lock-fd N]"


def main(arguments: list[str]) -> int:
    """Run the session in the folder named by `arguments`; return the worker's exit code.

    0: the session ran, or could not be started, and exit.json says how it ended. 1: nothing was
    started, or the record could not be written. 2: wrong usage.
    """
    given = _descriptors(arguments[1:])
    if not arguments or given is None:
        note(f"usage: session {USAGE}")
        return 2
    listen_fd, lock_fd = given.get("--listen-fd"), given.get("--lock-fd")
    try:
        arm(os.environ, POINTS)
    except ValueError as error:
        note(f"worker: {error}")
        return 2
    failpoint("worker.begun")
    folder = os.path.abspath(arguments[0])
    close_inherited(list(given.values()))
    mask = os.umask(0o077)
    try:
        take(folder, lock_fd)
        failpoint("worker.locked")
        settle_in()
        kernel.become_subreaper()
    except (Occupied, OSError) as reason:
        note(f"worker: {reason}")
        return 1
    try:
        worker = Worker(read_spec(folder), listen_fd)
        let_go(folder)
        notify.ready()
    except SpecError as error:
        return _give_up(folder, str(error))
    except OSError as error:
        return _give_up(folder, f"the worker cannot work in {folder}: {error}")
    return worker.run(mask)


def _descriptors(options: list[str]) -> dict[str, int] | None:
    """Return the descriptors that were handed down, by option; None where that is not what was given."""
    names, numbers = options[::2], options[1::2]
    if len(names) != len(numbers) or not {*names} <= {"--listen-fd", "--lock-fd"}:
        return None
    if not all(number.isdigit() and int(number) > 2 for number in numbers):
        return None
    return dict(zip(names, map(int, numbers), strict=True))


def _give_up(folder: str, why: str) -> int:
    note(f"the session was not started: {why}")
    record = exit_record(Ending("unspawned", "worker", why), Times(wall(), wall(), 0.0), Swept())
    record |= {"session": os.path.basename(folder), "task": "", "harness_pid": None, "log": {}}
    try:
        write_durable(os.path.join(folder, "exit.json"), record)
    except OSError as error:
        note(f"exit.json cannot be written: {error.strerror}")
        return 1
    return 0
