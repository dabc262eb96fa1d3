"""What /proc says of one process."""

from __future__ import annotations

import os


class Stat:
    """One reading of /proc/PID/stat.

    `start_ticks` (field 22) with the boot id tells a process from a later one with the same pid.
    """

    __slots__ = ("group", "parent", "pid", "start_ticks", "state")

    def __init__(self, pid: int, state: str, parent: int, group: int, start_ticks: int) -> None:
        self.pid = pid
        self.state = state
        self.parent = parent
        self.group = group
        self.start_ticks = start_ticks


def read(path: str) -> bytes:
    """Return the content of a small file of the kernel; nothing where there is none, or none for us."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall() or b""
    except OSError:
        return b""


def parse_stat(pid: int, content: bytes) -> Stat:
    """Return the reading that `content` holds; the name in it may contain spaces and brackets."""
    fields = content[content.rindex(b")") + 2 :].split()
    return Stat(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[19]))


def read_stat(pid: int) -> Stat | None:
    """Return what the kernel says of `pid`, or None where there is no such process."""
    content = read(f"/proc/{pid}/stat")
    return parse_stat(pid, content) if content else None


def leader(task: int) -> int:
    """Return the process that a thread belongs to; the number itself when it is gone."""
    for line in read(f"/proc/{task}/status").splitlines():
        if line.startswith(b"Tgid:"):
            return int(line[5:])
    return task


def is_alive(stat: Stat) -> bool:
    """Tell whether the process still runs.

    A zombie is gone, except one whose first thread has ended while others go on.
    """
    if stat.state not in {"Z", "X"}:
        return True
    try:
        return len(os.listdir(f"/proc/{stat.pid}/task")) > 1
    except OSError:
        return False


def thread_states(pid: int) -> list[str]:
    """Return the state letter of each thread of a process."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    contents = [read(f"/proc/{pid}/task/{thread}/stat") for thread in threads]
    return [parse_stat(pid, content).state for content in contents if content]


def describe(stat: Stat) -> dict[str, object]:
    """Return what an operator needs in order to recognise the process: pid, command line, memory (KiB)."""
    command = read(f"/proc/{stat.pid}/cmdline").replace(b"\0", b" ").strip()
    if not command:
        command = b"[" + read(f"/proc/{stat.pid}/comm").strip() + b"]"
    pages = read(f"/proc/{stat.pid}/statm").split()
    resident = int(pages[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024) if len(pages) > 1 else 0
    return {"pid": stat.pid, "command": command[:300].decode(errors="replace"), "rss_kib": resident}


def describe_survivor(stat: Stat) -> dict[str, object]:
    """Return why a killed process may still be there: its state letter and the kernel function it waits in."""
    described = describe(stat)
    described["state"] = stat.state
    described["wchan"] = read(f"/proc/{stat.pid}/wchan").decode(errors="replace")
    return described
