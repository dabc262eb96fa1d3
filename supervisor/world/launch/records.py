"""What a worker left in its session's folder: who it is, and how the session ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.core.sessions.outcome import ExitRecord
from supervisor.world.launch.rung import Rung

_LARGEST = 16 << 20  # bytes


class RecordError(Exception):
    """The record is missing or cannot be used; one line says which and why."""


def read_exit(folder: Path) -> ExitRecord:
    """Return the exit record in a session's folder.

    Raises:
        RecordError: there is none, or it is not one.
    """
    data = _read(folder / "exit.json", "the worker ended without writing a record")
    try:
        return ExitRecord.from_json(data)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{folder / 'exit.json'} is not an exit record: {error}") from error


def read_worker(folder: Path) -> ProcessId:
    """Return the identity that the worker wrote at its start.

    Raises:
        RecordError: there is none, or it is not one.
    """
    data = _read(folder / "worker.json", "the worker never started")
    try:
        return ProcessId(int(data["pid"]), int(data["start_ticks"]), str(data["boot_id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{folder / 'worker.json'} is not a worker's record: {error!r}") from error


def read_harness(folder: Path, worker: ProcessId) -> ProcessId | None:
    """Return the identity of the harness that this worker wrote down, or `None` before it was started.

    Raises:
        RecordError: there is no record of the worker, or it is not one.
    """
    data = _read(folder / "worker.json", "the worker never started").get("harness")
    if data is None:
        return None
    try:
        return ProcessId(int(data["pid"]), int(data["start_ticks"]), worker.boot_id)
    except (KeyError, TypeError, ValueError) as error:
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


def holder(folder: Path) -> str:
    """Return the pid that the lock's holder wrote into it, for people to read."""
    try:
        return (folder / "lock").read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def withdraw(folder: Path) -> None:
    """Take the spec away from a worker that has not begun: if it comes after all, it starts nothing."""
    with contextlib.suppress(OSError):
        (folder / "spec.json").rename(folder / "spec.json.withdrawn")


def lock_is_held(folder: Path) -> bool:
    """Tell whether a living worker holds the session's lock: the kernel frees it when the worker dies."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
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
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise RecordError(missing) from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    try:
        data = json.loads(content)
    except ValueError as error:
        raise RecordError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise RecordError(f"{path} is not a JSON object")
    return data
