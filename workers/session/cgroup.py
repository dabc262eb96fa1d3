"""The session's own cgroup: its child `tree` has the harness and all that it starts, to be killed or frozen at one word.

Version 2 only. No controller is enabled below the session's cgroup, so the worker may sit in it itself.
"""

from __future__ import annotations

import os
import select

from workers.session.clock import boottime
from workers.session.place import note
from workers.session.proc import Stat, read, read_stat

OWN = "own"  # in the specification: the cgroup that the service manager put this worker in
_NEEDED = ("cgroup.procs", "cgroup.events", "cgroup.kill", "cgroup.freeze")


class Unusable(Exception):  # noqa: N818  - the cgroup is unusable
    """The session does without a cgroup; the text says why."""


class Cgroup:
    """A session's cgroup with its `tree`."""

    __slots__ = ("_before", "_events", "_tree", "joining", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._tree = os.path.join(path, "tree")
        self._before = self._counts()
        os.mkdir(self._tree)
        try:
            for name in _NEEDED:
                os.stat(os.path.join(self._tree, name))
            self._events = os.open(os.path.join(self._tree, "cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)
            # The forked child writes to it, so that the harness never runs outside.
            self.joining = os.open(os.path.join(self._tree, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            os.rmdir(self._tree)
            raise

    def holds(self, pid: int) -> bool:
        """Tell whether `pid`, a child that was not reaped, is or died in the tree."""
        return _read(f"/proc/{pid}/cgroup").partition("0::")[2].partition("\n")[0].endswith("/tree")

    def living(self) -> list[Stat]:
        """Return the processes of the tree that are there, as far as the kernel still tells of each."""
        pids = map(int, _read(os.path.join(self._tree, "cgroup.procs")).split())
        return [stat for pid in pids if (stat := read_stat(pid)) is not None]

    def kill(self) -> None:
        """Send SIGKILL to every process of the tree at once, frozen ones too."""
        self._write("cgroup.kill", b"1")

    def is_empty(self) -> bool:
        """Tell whether no process is in the tree; zombies are none."""
        return self.wait_empty(0.0)

    def wait_empty(self, until: float) -> bool:
        """Wait until no process is in the tree, at most until `until` (CLOCK_BOOTTIME); tell whether that is so."""
        return self._wait("populated 0", until)

    def freeze(self, until: float) -> bool:
        """Freeze the tree; tell whether all of it stands still by `until` (CLOCK_BOOTTIME)."""
        self._write("cgroup.freeze", b"1")
        return self._wait("frozen 1", until)

    def thaw(self) -> None:
        """Let a frozen tree go on."""
        self._write("cgroup.freeze", b"0")

    def limits_met(self) -> dict[str, int]:
        """Return how often the kernel killed for want of memory, and refused a process, since this was made."""
        return {name: count - self._before.get(name, 0) for name, count in self._counts().items()}

    def remove(self) -> None:
        """Take the empty tree away; whoever made the session's cgroup removes that."""
        try:
            os.rmdir(self._tree)
        except OSError as error:
            note(f"{self._tree} cannot be removed: {error.strerror}")

    def _counts(self) -> dict[str, int]:
        counts = {}
        for name, controller, file, old_file, key in (
            ("oom_kills", "memory", "memory.events", "memory.oom_control", "oom_kill"),
            ("refused_forks", "pids", "pids.events", "pids.events", "max"),
        ):
            told = _read(os.path.join(self.path, file))
            if not told and (old := _old_group(controller, os.path.basename(self.path))):
                told = _read(os.path.join(old, old_file))
            for line in told.splitlines():
                if line.startswith(key + " "):
                    counts[name] = int(line.split()[1])
        return counts

    def _write(self, name: str, content: bytes) -> None:
        fd = os.open(os.path.join(self._tree, name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)

    def _wait(self, wanted: str, until: float) -> bool:
        # The kernel says POLLPRI when the file's content has changed since it was last read.
        changed = select.poll()
        changed.register(self._events, select.POLLPRI)
        while wanted not in os.pread(self._events, 4096, 0).decode():
            left = until - boottime()
            if left <= 0:
                return False
            changed.poll(left * 1000)
        return True


def open_cgroup(wanted: str | None) -> Cgroup | None:
    """Return the session's cgroup with this process in it; None, with a note, where it cannot be had."""
    if wanted is None:
        return None
    try:
        return Cgroup(_own() if wanted == OWN else _entered(wanted))
    except Unusable as reason:
        note(f"the session runs without a cgroup: {reason}")
    except OSError as error:
        note(f"the session runs without a cgroup: {error.filename or wanted}: {error.strerror}")
    return None


def _entered(path: str) -> str:
    procs = os.path.join(path, "cgroup.procs")
    fd = os.open(procs, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")
    except OSError as error:
        raise Unusable(f"{procs} lets no process in: {error.strerror}") from None
    finally:
        os.close(fd)
    return path


def _own() -> str:
    """Return the directory of the cgroup that this process is in."""
    inside = _read("/proc/self/cgroup").partition("0::")[2].partition("\n")[0]
    if inside in {"", "/"} or "/../" in f"{inside}/":
        raise Unusable("the service manager put the worker in no cgroup of its own (version 2)")
    for line in _read("/proc/self/mounts").splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[2] == "cgroup2":
            return fields[1].replace("\\040", " ") + inside
    raise Unusable("no cgroup file system (version 2) is mounted")


def _old_group(controller: str, name: str) -> str | None:
    """Return this process's group of a version 1 controller, if it is the session's own, called `name`."""
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, inside = line.split(":", 2)
        # A group of another name holds others too, and what happened in it may have happened to them.
        if controller in controllers.split(",") and os.path.basename(inside) == name:
            for mount in _read("/proc/self/mounts").splitlines():
                fields = mount.split()
                if fields[2] == "cgroup" and controller in fields[3].split(","):
                    return fields[1].replace("\\040", " ") + inside
    return None


def _read(path: str) -> str:
    return read(path).decode(errors="replace")
