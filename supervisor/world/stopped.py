"""Why a process that lives does nothing: it was stopped, or its cgroup is frozen."""

from __future__ import annotations

from pathlib import Path

from supervisor.world.cgroups.hierarchy import CgroupError, look


def why_stopped(pid: int) -> str:
    """Return why a process cannot act: stopped by a signal, by a debugger, or frozen; empty when it can, or is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        listed = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    match stat.rpartition(b") ")[2][:1]:
        case b"T":
            return "it was stopped by a signal"
        case b"t":
            return "it was stopped by a debugger"
    inside = next((line[3:] for line in listed.splitlines() if line.startswith("0::")), "/")
    return f"its cgroup {inside} is frozen" if _is_frozen(inside) else ""


def _is_frozen(inside: str) -> bool:
    """Tell whether a group or one around it is frozen; the root, which has no such file, cannot be."""
    try:
        events = (look().mount / inside.lstrip("/") / "cgroup.events").read_text(encoding="ascii")
    except (CgroupError, OSError):
        return False
    return "frozen 1" in events.splitlines()
