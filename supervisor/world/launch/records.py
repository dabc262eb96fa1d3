"""What a worker left in its session's folder: who it is, and how the session ended."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.rung import Rung

_LARGEST = 16 << 20  # bytes
_LARGEST_PID = 1 << 22  # PID_MAX_LIMIT of the kernel


class RecordError(Exception):
    """The record is missing or cannot be used; one line says which and why."""


class MissingRecordError(RecordError):
    """There is no record."""


class ForeignRecordError(RecordError):
    """The record is another session's."""


def read_exit(folder: Path) -> ExitRecord:
    """Return the exit record in a session's folder.

    Raises:
        RecordError: there is none, or it is not one.
    """
    path = folder / "exit.json"
    data = _own(_read(path, "the worker ended without writing a record"), path)
    try:
        return ExitRecord.from_json(data)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"{folder / 'exit.json'} is not an exit record: {error}") from error


def read_worker(folder: Path) -> ProcessId:
    """Return the identity that the worker wrote at its start.

    Raises:
        RecordError: there is none, or it is not one.
    """
    path = folder / "worker.json"
    data = _own(_read(path, "the worker never started"), path)
    try:
        return _process(data, str(data["boot_id"]))
    except (KeyError, TypeError) as error:
        raise RecordError(f"{folder / 'worker.json'} is not a worker's record: {error!r}") from error


def read_harness(folder: Path, worker: ProcessId) -> ProcessId | None:
    """Return the identity of the harness that this worker wrote down, or `None` before it was started.

    Raises:
        RecordError: there is no record of the worker, or it is not one.
    """
    path = folder / "worker.json"
    data = _own(_read(path, "the worker never started"), path).get("harness")
    if data is None:
        return None
    try:
        return _process(data, worker.boot_id)
    except (KeyError, TypeError) as error:
        raise RecordError(f"{folder / 'worker.json'} is not a worker's record: {error!r}") from error


def read_rung(folder: Path) -> Rung:
    """Return the rung on which a session was started.

    Raises:
        RecordError: its specification is missing, or cannot be used.
    """
    spec = _read_spec(folder)
    try:
        return Rung(spec.get("rung", Rung.SWEEP.value))
    except ValueError as error:
        raise RecordError(f"{folder / 'spec.json'}: {error}") from error


def read_cgroup(folder: Path) -> str | None:
    """Return the group that was made for a session, as its specification says.

    Raises:
        RecordError: its specification is missing, or cannot be used.
    """
    found = _read_spec(folder).get("cgroup")
    return found if isinstance(found, str) and found.startswith("/") else None


def read_task(folder: Path) -> str | None:
    """Return the task that a worker says its session has, if its record can be used."""
    path = folder / "worker.json"
    try:
        task = _own(_read(path, ""), path).get("task")
    except RecordError:
        return None
    return task if isinstance(task, str) and task else None


def holder(folder: Path) -> str:
    """Return the pid that the lock's holder wrote into it, for people to read."""
    try:
        return (folder / "lock").read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def withdraw(folder: Path) -> bool:
    """Take the spec away from a worker that has not begun: if it comes after all, it starts nothing.

    Return whether it is away; only then is it certain that nothing will be started.
    """
    try:
        (folder / "spec.json").rename(folder / "spec.json.withdrawn")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def lock_is_held(folder: Path) -> bool:
    """Tell whether a living worker holds the session's lock: the kernel frees it when the worker dies."""
    try:
        return bool(look_at_lock(folder))
    except OSError:
        return False


def look_at_lock(folder: Path) -> bool | None:
    """Tell whether somebody holds the session's lock; `None` when there is no such file.

    Raises:
        OSError: that cannot be seen.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read_spec(folder: Path) -> dict[str, Any]:
    try:
        return _read(folder / "spec.json", "it has no specification")
    except RecordError:
        if not (withdrawn := folder / "spec.json.withdrawn").exists():
            raise
        return _read(withdrawn, "it has no specification")


def _read(path: Path, missing: str) -> dict[str, Any]:
    """Return the object in a file that we, or root, wrote there: what somebody linked or put there is no record."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise MissingRecordError(missing) from None
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise RecordError(f"{path} cannot be read: {why}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RecordError(f"{path} is no regular file")
        if status.st_uid not in {0, os.geteuid()}:
            raise RecordError(f"{path} belongs to user {status.st_uid}")
        content = file.read(_LARGEST + 1)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise RecordError(f"{path} is not a JSON object")
    return data


def _process(data: dict[str, Any], boot: str) -> ProcessId:
    pid, start = data["pid"], data["start_ticks"]
    if type(pid) is not int or type(start) is not int or not 1 < pid <= _LARGEST_PID:
        raise TypeError(f"pid {pid!r}, started at tick {start!r}")
    return ProcessId(pid, start, boot)


def _own(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a record if it is about the session whose folder it is in.

    Raises:
        ForeignRecordError: it is not.
    """
    if data.get("session", path.parent.name) != path.parent.name:
        raise ForeignRecordError(f"{path} is of session {data['session']!r}")
    return data
