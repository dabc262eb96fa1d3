"""The harness: forked, its own session and group leader, and not reaped before its tree is gone."""

from __future__ import annotations

import os
import signal
import socket

from workers.guard.seccomp import install
from workers.session import kernel
from workers.session.failpoint import failpoint
from workers.session.proc import read_stat
from workers.session.tree import living

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.command import Command
    from workers.session.guarding import Pending

OOM_SCORE_ADJ = 500  # of everything in a session but its worker; see proc(5)


class Exit:
    """How the leader ended: `code` or the number of the `signal`, never both."""

    __slots__ = ("code", "signal")

    def __init__(self, code: int | None, number: int | None) -> None:
        self.code = code
        self.signal = number

    def sentence(self) -> str:
        """Return it in words, to follow "the harness"."""
        if self.signal is None:
            return f"exited with code {self.code}"
        try:
            return f"was ended by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"was ended by signal {self.signal}"


class Harness:
    """The leader of a session's tree.

    While its exit status is not collected, its pid, and so the number of its group, cannot be given
    to another process. That is why a signal to the group needs no further proof here, and why
    `collect` comes last.
    """

    __slots__ = ("pid", "pidfd", "start_ticks")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        stat = read_stat(pid)
        self.start_ticks = stat.start_ticks if stat else 0

    def ended(self) -> Exit | None:
        """Return how the leader ended, without collecting it, or None while it runs."""
        seen = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if seen is None:
            return None
        if seen.si_code == os.CLD_EXITED:
            return Exit(seen.si_status, None)
        return Exit(None, seen.si_status)

    def group_lives(self) -> bool:
        """Tell whether any process of the leader's group, or the leader, still runs."""
        return any(self.pid in {stat.group, stat.pid} for stat in living(os.getpid()))

    def signal_group(self, number: int) -> None:
        """Send a signal to the leader's group, then SIGCONT, so that what is stopped can act on it."""
        if self.pid == os.getpgrp():
            raise AssertionError("the harness is in the worker's own group")
        try:
            os.killpg(self.pid, number)
            os.killpg(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """Send SIGKILL to the leader and to its group."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.signal_group(signal.SIGKILL)

    def collect(self) -> None:
        """Reap the leader; from here on its pid may be given to another process."""
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)


class Launch:
    """A harness between fork and exec.

    `outcome_fd` becomes readable when it is known whether the program runs: the end of the pipe
    says that it does, a line on it says which step failed.
    """

    __slots__ = ("harness", "outcome_fd")

    def __init__(self, harness: Harness, outcome_fd: int) -> None:
        self.harness = harness
        self.outcome_fd = outcome_fd

    def failure(self) -> tuple[str, int] | None:
        """Return the step that failed and its errno, or None when the program runs; call it once."""
        said = os.read(self.outcome_fd, 100).decode().split()
        os.close(self.outcome_fd)
        return (said[0], int(said[1])) if said else None


def launch(
    command: Command,
    stdio: tuple[int, int, int],
    mask: int,
    joining: int | None = None,
    guard: Pending | None = None,
    rules: int | None = None,
) -> Launch:
    """Fork the harness; must be called from the main thread, before any other exists.

    The death signal that ties it to the worker belongs to the forking thread. `stdio` are open
    descriptors for 0, 1 and 2; `mask` is the umask it gets; `joining` is open on the cgroup.procs
    that it enters, and the caller looks whether it could; `guard` is the filter that it puts itself under,
    and `rules` are open on those of Landlock that it does.
    """
    outcome, report = os.pipe2(os.O_CLOEXEC)
    worker = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, stdio, mask, report, worker, joining, guard, rules)
    os.close(report)
    try:
        return Launch(Harness(pid), outcome)
    except OSError:
        os.kill(pid, signal.SIGKILL)  # our child, not yet reaped: the number is its own
        os.waitpid(pid, 0)
        raise


def _become(
    command: Command,
    stdio: tuple[int, int, int],
    mask: int,
    report: int,
    worker: int,
    joining: int | None,
    guard: Pending | None,
    rules: int | None,
) -> None:
    stage = "prepare"
    try:
        failpoint("harness.forked")
        if joining is not None:
            _join(joining)
        _default_signals()
        os.setsid()
        kernel.die_with_parent()
        _die_first()
        if os.getppid() != worker:
            os._exit(127)  # the worker died before the death signal was asked for
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
        line = None if guard is None else guard.theirs.fileno()
        _close_all_but(*(fd for fd in (report, line, rules) if fd is not None))
        os.umask(mask)
        stage = "chdir"
        os.chdir(command.cwd)
        if rules is not None:
            from workers.guard.landlock import enter  # there already: it made the rules

            stage = "confine"
            enter(rules)
        if guard is not None:
            # From here until the worker serves the listener, nothing may be opened for writing.
            stage = "guard"
            if _enter(guard):
                command.env.update(guard.env)
        stage = "exec"
        failpoint("harness.ready_to_exec")
        os.execve(command.program, command.argv, command.env)  # noqa: S606  - no shell: the words are passed as they are
    except OSError as error:
        os.write(report, f"{stage} {error.errno}".encode())
    finally:
        os._exit(127)


def _close_all_but(*kept: int) -> None:
    start = 3
    for fd in sorted(kept):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _enter(guard: Pending) -> bool:
    """Put this process under the filter and hand its listener over; tell whether it could.

    Raises:
        OSError: the kernel does not take it, and the session must not run without.
    """
    try:
        listener = install(guard.program)
    except OSError as error:
        guard.theirs.send(str(error.errno).encode())
        if guard.required:
            raise
        return False
    socket.send_fds(guard.theirs, [b"listener"], [listener])
    os.close(listener)
    return True


def _join(procs: int) -> None:
    try:
        os.write(procs, b"0")
    except OSError:
        return  # a session runs without a cgroup rather than not at all


def _die_first() -> None:
    # Where memory runs out the kernel must not choose the worker, which records what the kernel did. A harness
    # whose memory is in files that live in memory looks smaller than it is.
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        try:
            if int(os.read(fd, 16)) < OOM_SCORE_ADJ:
                os.pwrite(fd, str(OOM_SCORE_ADJ).encode(), 0)
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return


def _default_signals() -> None:
    # What is ignored stays ignored over exec: Python ignores PIPE and XFSZ, the worker INT, QUIT and HUP.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            continue  # the two that the C library keeps for its threads
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
