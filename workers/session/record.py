"""The exit record: what a session's end was, for whoever reads it, whenever."""

from __future__ import annotations

import resource

from workers.session.spec import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.life import Ending
    from workers.session.sweep import Swept


class Times:
    """When the harness was started and when its tree was gone (Unix time), and the seconds between."""

    __slots__ = ("elapsed", "ended_at", "started_at")

    def __init__(self, started_at: float, ended_at: float, elapsed: float) -> None:
        self.started_at = started_at
        self.ended_at = ended_at
        self.elapsed = elapsed


def exit_record(ending: Ending, times: Times, swept: Swept) -> dict[str, object]:
    """Return what exit.json says of the end itself; who it was about is added by the caller."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "schema": SCHEMA,
        "cause": ending.cause,
        "by": ending.by,
        "why": ending.why,
        "code": swept.exit.code if swept.exit else None,
        "signal": swept.exit.signal if swept.exit else None,
        "started_at": times.started_at,
        "ended_at": times.ended_at,
        "elapsed": times.elapsed,
        "leaked": swept.leaked,
        "leaks": swept.leaks,
        "survivors": swept.survivors,
        "unkillable": swept.unkillable,
        "usage": {"user": used.ru_utime, "sys": used.ru_stime, "max_rss_kib": used.ru_maxrss},
    }


def met(limits: dict[str, int]) -> str:
    """Return what the limits of its cgroup did to a session, to be put behind why it ended."""
    text = ""
    if killed := limits.get("oom_kills"):
        text += f"; the kernel killed {killed} of its processes for want of memory"
    if refused := limits.get("refused_forks"):
        text += f"; the kernel refused it a new process {refused} times"
    return text
