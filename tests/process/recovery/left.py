"""What a supervisor leaves behind, for tests of the one that comes back."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

from tests.process.children.agents import WAIT


def waiting(site, **settings):
    """Start a supervisor with a session of task "a" that does nothing; return the event that says it runs."""
    site.task("a", "a.txt")
    site.configure(WAIT, **settings)
    site.start()
    return site.wait_for("session.running")


def cut_short(site, point):
    """Run a supervisor up to the point at which it is killed."""
    site.environ["LEASEHOLD_FAILPOINTS"] = f"{point}=kill"
    first = subprocess.Popen(site.command("run"), cwd=site.root, env=site.environ, stderr=subprocess.DEVNULL)
    site.running.append(first)
    assert first.wait(60) == -signal.SIGKILL
    del site.environ["LEASEHOLD_FAILPOINTS"]


def killed(site):
    """Kill the supervisor that was started last."""
    site.running[-1].kill()
    site.running[-1].wait()


def sessions(site):
    return {session["task"]: session for session in site.ask("ps")["sessions"]}


@contextlib.contextmanager
def ending(process):
    """End a process with the block, whatever becomes of it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def folder(site, session):
    return site.root / ".leasehold/state/sessions" / session


@contextlib.contextmanager
def holding(lock):
    """Have a stranger hold a lock."""
    holder = f"import fcntl, signal; f = open({str(lock)!r}); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); signal.pause()"
    with ending(subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
