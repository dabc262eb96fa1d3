"""A day in little: many short sessions leave the supervisor as it was, and many idle ones cost it nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.fault, pytest.mark.process, pytest.mark.slow]

IDLE_SHARE = 0.001  # of one processor
RSS_PER_HUNDRED = 4 << 20  # bytes that a hundred ended sessions may cost: the roster remembers the latest


def measured(pid: int) -> tuple[int, int, int]:
    """Return descriptors, threads and resident bytes of a process."""
    process = psutil.Process(pid)
    return process.num_fds(), process.num_threads(), process.memory_info().rss


def on_cpu(pid: int) -> float:
    """Return the seconds that all threads of a process have run."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def zombies(pid: int) -> list[int]:
    """Return the children of a process that nobody has collected."""
    return [child.pid for child in psutil.Process(pid).children() if child.status() == psutil.STATUS_ZOMBIE]


def cgroups_of(sessions: set[str]) -> list[str]:
    """Return the cgroups that bear the id of one of these sessions."""
    return [where for where, _, _ in os.walk("/sys/fs/cgroup") if any(name in where for name in sessions)]


def test_descriptors_threads_and_memory_stay_flat_over_many_sessions(arena, full):
    wave, at_once = (200, 100) if full else (40, 20)
    arena.furnish(sessions_at_once=at_once, retry={"attempts": 1}, selection={"recent_commit_minutes": 0})
    process = arena.start()
    seen = []
    for number in range(3):
        arena.add(*(f"brief-{number}-{n}-0" for n in range(wave)))
        ended = f"brief-{number}-"
        arena.until(
            lambda ended=ended: (
                sum(line["task"].startswith(ended) for line in arena.evidence.lines("end")) == wave
            )
        )
        arena.until(lambda: not arena.site.ask("ps")["sessions"])
        seen.append(measured(process.pid))
    sessions = {line["session"] for line in arena.evidence.lines("begin")}

    (fds, threads, rss), (fds_after, threads_after, rss_after) = seen[0], seen[-1]
    assert len(sessions) == 3 * wave
    assert fds_after <= fds + wave / 4, seen  # one for each session would be eight times that
    # As many threads as once worked at the same time stay a while.
    assert threads_after <= threads + wave / 4, seen
    assert rss_after - rss <= RSS_PER_HUNDRED * 2 * wave / 100, seen
    assert zombies(process.pid) == []
    assert cgroups_of(sessions) == []
    arena.site.end(process)
    arena.conclude(f"soak: {len(sessions)} sessions", "none", kills=0)


def test_a_supervisor_of_many_idle_sessions_is_idle(arena, full):
    count, seconds = (100, 60.0) if full else (20, 15.0)
    arena.furnish(
        *(f"stays-{n}-0" for n in range(count)),
        sessions_at_once=count,
        retry={"attempts": 1},
        **{"harness.agent": {"budget": "10m"}},
    )
    process = arena.start()
    arena.until(lambda: len(arena.evidence.lines("ready")) == count)
    arena.site.wait_for("session.running", count)

    def measure() -> float:
        since, before = time.monotonic(), on_cpu(process.pid)
        time.sleep(seconds)  # what is measured is the waiting itself
        return (on_cpu(process.pid) - before) / (time.monotonic() - since)

    # On a busy machine what the starts left to do may take a while to be done.
    share = measure()
    for _ in range(3):
        if share <= IDLE_SHARE:
            break
        share = measure()

    assert share <= IDLE_SHARE, f"{share:.4%} of a processor with {count} idle sessions"
    for line in arena.evidence.lines("ready"):
        os.kill(line["pid"], signal.SIGUSR1)
    arena.until(lambda: not arena.site.ask("ps")["sessions"])
    arena.site.end(process)
    arena.conclude(f"idle: {count} sessions, {share:.3%} CPU", "none", kills=0)
