"""How a session's processes are told from all others: by their environment, and by the session that its harness led."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch.records import RecordError, read_harness, read_worker
from supervisor.world.launch.spec import NOTICE
from supervisor.world.processes import boot_id

TAG = "LEASEHOLD_SESSION"
_NOTICE = "LEASEHOLD_NOTICE"  # a file in the session's folder, which tells installations apart
_SESSION_FIELD = 6 - 3  # of /proc/PID/stat (proc(5)); the split begins at field 3
_START_FIELD = 22 - 3


@dataclass(frozen=True, slots=True)
class Mark:
    """What one session's processes show. `leader` is its harness, which led a session of processes, if that is known."""

    session: str
    folder: Path
    leader: ProcessId | None = None

    @classmethod
    def of(cls, session: str, folder: Path) -> Mark:
        """Return the mark of the session in `folder`."""
        try:
            leader = read_harness(folder, read_worker(folder))
        except RecordError:
            leader = None
        return cls(session, folder, leader if leader is not None and leader.boot_id == boot_id() else None)

    def is_on(self, pid: int) -> bool:
        """Tell whether a process was started with the session's id, by this installation.

        A copy of a state directory has the same ids: a process that names a session's folder which is there, and
        is not ours, is another installation's.
        """
        return self._is_in(environ(pid))

    def is_anothers(self, pid: int) -> bool:
        """Tell whether a process is proven to be of another installation's session with the same id: see `is_on`."""
        found = environ(pid)  # once: a process that leaves meanwhile is not proven to be anybody's
        if f"\0{TAG}={self.session}\0".encode() in found:
            return not self._is_in(found)
        words = _read(f"/proc/{pid}/cmdline").split(b"\0")
        places = [Path(os.fsdecode(place)) for word, place in itertools.pairwise(words) if word == b"session"]
        return any(place.name == self.session and not self._ours(place) for place in places)

    def _is_in(self, environment: bytes) -> bool:
        if f"\0{TAG}={self.session}\0".encode() not in environment:
            return False
        notice = environment.partition(f"\0{_NOTICE}=".encode())[2].partition(b"\0")[0]
        return not notice or self._ours(Path(os.fsdecode(notice)).parent)

    def _ours(self, there: Path) -> bool:
        try:
            status = there.stat()
        except OSError:
            return True  # moved, or removed
        try:
            return os.path.samestat(status, self.folder.stat())
        except OSError:
            return there == self.folder

    def led(self, pid: int) -> bool:
        """Tell whether a process is in the session of processes of this number, and not older than its leader.

        That proves nothing before a marked process is seen in it afterwards: numbers are given out again, but not
        while one is in use.
        """
        fields = _stat(pid)
        return (
            self.leader is not None
            and bool(fields)
            and int(fields[_SESSION_FIELD]) == self.leader.pid
            and int(fields[_START_FIELD]) >= self.leader.start
            and fields[0] not in {b"Z", b"X"}
        )


def tagged_sessions(sessions: Path) -> frozenset[str]:
    """Return the sessions that living processes name as theirs, of those with their folder under `sessions`."""
    found = set()
    for pid in pids():
        words = dict(word.partition("=")[::2] for word in environ(pid).decode(errors="replace").split("\0"))
        session = words.get(TAG, "")
        if session and words.get(_NOTICE) == str(sessions / session / NOTICE):
            found.add(session)
    return frozenset(found)


def pids() -> Iterator[int]:
    """Yield the processes that are there, without this one."""
    me = os.getpid()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and int(entry.name) != me:
                yield int(entry.name)


def environ(pid: int) -> bytes:
    """Return the environment that a process was started with, a NUL before and after each variable.

    A process whose first thread has ended is asked through the others; one that is gone has none.
    """
    if found := _read(f"/proc/{pid}/environ"):
        return b"\0" + found
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if found := _read(f"{thread}/environ"):
                return b"\0" + found
    return b""


def _stat(pid: int) -> list[bytes]:
    return _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # gone, a zombie, or not ours to look at
        return b""
