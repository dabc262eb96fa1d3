"""What systemd hands to a service when it starts: sockets that listen already, descriptors kept for it."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field

CONTROL = "ctl"  # FileDescriptorName= of the control socket
_FIRST = 3  # SD_LISTEN_FDS_START


@dataclass(slots=True)
class Handed:
    """The descriptors that came with the start. `kept` are pidfds by the name they were stored under."""

    control: socket.socket | None = None
    kept: dict[str, int] = field(default_factory=dict)

    def pidfd(self, name: str, pid: int) -> int | None:
        """Return the pidfd kept under `name` if it is one of process `pid`; the caller owns it then."""
        fd = self.kept.get(name)
        if fd is None or pid_of(fd) != pid:
            return None
        return self.kept.pop(name)

    def close(self) -> None:
        """Close what nobody has asked for."""
        for fd in self.kept.values():
            os.close(fd)
        self.kept.clear()


def take_handed(environ: MutableMapping[str, str], pid: int) -> Handed:
    """Return what systemd hands to process `pid`, and take the variables out: children get none of it."""
    meant = environ.pop("LISTEN_PID", "")
    count, names = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_FDNAMES", "").split(":")
    handed = Handed()
    if meant != str(pid) or not count.isdigit():
        return handed
    for number in range(int(count)):
        fd, name = _FIRST + number, names[number] if number < len(names) else ""
        os.set_inheritable(fd, False)
        if name == CONTROL and handed.control is None:
            handed.control = socket.socket(fileno=fd)
        elif name in handed.kept:
            os.close(fd)
        else:
            handed.kept[name] = fd
    return handed


def pid_of(pidfd: int) -> int | None:
    """Return the process a pidfd stands for; `None` when it has been reaped, or `pidfd` is something else."""
    try:
        with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:  # noqa: PTH123  - no file system path
            found = [line.split()[1] for line in file if line.startswith("Pid:")]
    except (OSError, IndexError):
        return None
    return int(found[0]) if found and int(found[0]) > 0 else None
