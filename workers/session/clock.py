"""The clocks of a session: CLOCK_BOOTTIME for what is measured, Unix time for what people read."""

from __future__ import annotations

import time

FOREVER = float("inf")


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds: it never steps, and it counts suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall() -> float:
    """Return Unix time in seconds."""
    return time.time()


def boot_id() -> str:
    """Return the name of this boot; a CLOCK_BOOTTIME reading or a start time means nothing in another."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def hour(unix: float) -> str:
    """Return a Unix time as a person reads it in a notice: "14:05:09 UTC"."""
    return time.strftime("%H:%M:%S UTC", time.gmtime(unix))


def span(seconds: float) -> str:
    """Return a short text for a length of time: "45s", "12m", "1h05m"."""
    whole = round(seconds)
    if seconds < 10 and seconds != whole:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s" if rest and minutes < 10 else f"{minutes}m"
    return f"{minutes // 60}h{minutes % 60:02d}m"
