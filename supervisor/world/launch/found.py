"""What is there of a session: its lock, its records, its worker. Looked at only; nothing is changed or signalled."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.core.sessions.reconcile import Exit, Found, Lock, Remains, Row, Spec, Worker
from supervisor.world.launch import records
from supervisor.world.processes import boot_id, parent, start_ticks


@dataclass(frozen=True, slots=True)
class Sight:
    """The facts, the worker that was proven to live, the record of the end, and what is wrong in one line each."""

    found: Found
    worker: ProcessId | None
    exit: ExitRecord | None
    troubles: tuple[str, ...] = ()


def look(
    folder: Path,
    row: Row,
    *,
    told: ExitRecord | None = None,
    remains: Remains = Remains.UNKNOWN,
    patient: bool = False,
) -> Sight:
    """Look at the session of `folder`; `told` is the exit record that its worker sent before it died."""
    troubles: list[str] = []
    lock = _lock(folder, troubles)
    worker, identity = _worker(folder, troubles)
    if lock is Lock.HELD:
        holder = _proven_holder(folder, identity)
        if holder is not None:
            lock, identity = Lock.PROVEN, holder
    elif worker is not Worker.LIVING and (lock is Lock.ABSENT or worker in _TAMPERED):
        # Files can be removed or replaced under a worker that lives; it is found by what it was started as.
        living = next(_workers_of(folder), None)
        if living is not None:
            worker, identity = Worker.LIVING, living
    ending, record = _exit(folder, told, troubles)
    proven = lock is Lock.PROVEN or worker is Worker.LIVING
    found = Found(row, _spec(folder), lock, worker, ending, remains, patient)
    return Sight(found, identity if proven else None, record, tuple(troubles))


_TAMPERED = {Worker.MISSING, Worker.DAMAGED, Worker.FOREIGN, Worker.ANOTHER}


def runs_as_worker(pid: int, folder: Path) -> bool:
    """Tell whether a process was started as the worker of this session's folder."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    wanted = os.fsencode(folder)
    return any(
        word == b"session" and os.path.normpath(place) == wanted for word, place in itertools.pairwise(words)
    )


def _spec(folder: Path) -> Spec:
    if not folder.is_dir():
        return Spec.ABSENT
    if (folder / "spec.json").exists():
        return Spec.READY
    return Spec.WITHDRAWN if (folder / "spec.json.withdrawn").exists() else Spec.UNWRITTEN


def _lock(folder: Path, troubles: list[str]) -> Lock:
    try:
        held = records.look_at_lock(folder)
    except OSError as error:
        troubles.append(f"{folder / 'lock'} cannot be looked at: {error.strerror}")
        return Lock.UNKNOWN
    if held is None:
        return Lock.ABSENT
    return Lock.HELD if held else Lock.FREE


def _worker(folder: Path, troubles: list[str]) -> tuple[Worker, ProcessId | None]:
    try:
        identity = records.read_worker(folder)
    except records.MissingRecordError:
        return Worker.MISSING, None
    except records.ForeignRecordError as error:
        troubles.append(str(error))
        return Worker.FOREIGN, None
    except records.RecordError as error:
        troubles.append(str(error))
        return Worker.DAMAGED, None
    if identity.boot_id != boot_id():
        return Worker.OTHER_BOOT, None
    started = start_ticks(identity.pid)
    if started is None:
        return Worker.GONE, None
    if started == identity.start and runs_as_worker(identity.pid, folder):
        return Worker.LIVING, identity
    if started == identity.start and _is_zombie(identity.pid):
        return Worker.GONE, None
    return Worker.ANOTHER, None


def _exit(folder: Path, told: ExitRecord | None, troubles: list[str]) -> tuple[Exit, ExitRecord | None]:
    if told is not None:
        return Exit.OWN, told
    try:
        return Exit.OWN, records.read_exit(folder)
    except records.MissingRecordError:
        return Exit.MISSING, None
    except records.ForeignRecordError as error:
        troubles.append(str(error))
        return Exit.FOREIGN, None
    except records.RecordError as error:
        troubles.append(str(error))
        return Exit.DAMAGED, None


def _proven_holder(folder: Path, recorded: ProcessId | None) -> ProcessId | None:
    """Return the process that holds the lock and runs as the session's worker; the record is only a hint."""
    if recorded is not None and _holds(recorded.pid, folder):
        return recorded
    return next((worker for worker in _workers_of(folder) if _holds(worker.pid, folder)), None)


def _workers_of(folder: Path) -> Iterator[ProcessId]:
    """Yield the processes of this user that run as the worker of a folder, not what they fork."""
    boot = boot_id()
    matching = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    matching = [pid for pid in matching if runs_as_worker(pid, folder)]
    for pid in matching:
        started = start_ticks(pid)
        if parent(pid) in matching or started is None or not _is_ours(pid):
            continue
        yield ProcessId(pid, started, boot)


def _holds(pid: int, folder: Path) -> bool:
    """Tell whether a process holds the lock by one of its descriptors, as the kernel shows it."""
    try:
        wanted = (folder / "lock").stat()
        with os.scandir(f"/proc/{pid}/fd") as entries:  # scandir, since it is done dozens of times a session
            for entry in entries:
                try:
                    if os.path.samestat(entry.stat(), wanted) and _shows_lock(pid, entry.name):
                        return True
                except FileNotFoundError:
                    continue
    except PermissionError:
        return True  # not to be seen here: that it is held, and that this runs as its worker, is known
    except OSError:
        return False
    return False


def _shows_lock(pid: int, number: str) -> bool:
    return b"FLOCK" in Path(f"/proc/{pid}/fdinfo/{number}").read_bytes()


def _is_ours(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid in {0, os.geteuid()}
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b") ")[2][:1] in {b"Z", b"X"}
