"""The machine under the benchmark: what it is, what else it does meanwhile, and how to pin to its cores."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and all its threads have used, in seconds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that ended while we looked
    return total / 1e9


def _reaped_seconds(pid: int) -> float:
    """Return the CPU time of a process's children that have ended (a server may fork one a connection)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICK


def _busy() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, *rest = (int(field) for field in fields)
    steal = rest[0] if rest else 0
    return (user + nice + system + irq + softirq + steal) / _TICK


def _own(pids: tuple[int, ...]) -> float:
    spent = sum(cpu_seconds(pid) + _reaped_seconds(pid) for pid in pids)
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


@dataclass(frozen=True, slots=True)
class Foreign:
    """A watch on the CPU that is used by nobody of ours: start it, run, then read it."""

    pids: tuple[int, ...]
    began: float
    busy: float
    own: float

    @classmethod
    def watch(cls, *pids: int) -> Foreign:
        """Start; `pids` are long-lived servers of ours (ended children are counted by themselves)."""
        return cls(pids, time.monotonic(), _busy(), _own(pids))

    def cores(self) -> float:
        """Return how many cores others kept busy since the start, on average."""
        elapsed = max(time.monotonic() - self.began, 1e-9)
        return max(0.0, (_busy() - self.busy) - (_own(self.pids) - self.own)) / elapsed


def versions() -> dict[str, str]:
    """Return what was measured with: kernel, processor, Python, and each peer that is installed."""
    found = {
        "kernel": platform.release(),
        "processor": _processor(),
        "cores": str(len(CORES)),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for name, argv in {
        "cc": ["cc", "--version"],
        "redis": ["redis-server", "--version"],
        "postgres": ["postgres", "--version"],
    }.items():
        found[name] = _first_line(argv) if shutil.which(argv[0]) else "not installed"
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
