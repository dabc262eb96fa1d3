"""Running a program for its output, with bounds on time and bytes, and nothing left behind.

Its exit is seen on a pidfd, not by the end of its output: something it started in the background may
hold the pipe open for ever.
"""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import anyio

from supervisor.world.programs.sweep import Member, sweep
from supervisor.world.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CHUNK = 65536  # bytes; what a pipe holds
_TAIL = 2000  # bytes of standard error that are kept
_PATIENCE = 5.0  # seconds for killed processes to be gone


@dataclass(frozen=True, slots=True)
class Finished:
    """The program ended by itself; `code` is negative for the signal that ended it."""

    code: int
    output: bytes
    errors: bytes
    survivors: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The program was killed because it took too long."""

    errors: bytes
    survivors: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The program was killed because it printed too much to `stream`."""

    stream: str
    survivors: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The operating system would not start the program."""

    error: OSError


Outcome = Finished | TimedOut | Overflowed | NotStarted


@dataclass(slots=True)
class _Stream:
    """A pipe from the program; all of it is kept, or only the last `tail` bytes."""

    name: str
    descriptor: int
    limit: int
    tail: int | None = None
    read: int = 0
    kept: bytearray = field(default_factory=bytearray)

    @property
    def overflowed(self) -> bool:
        return self.read > self.limit

    async def follow(self) -> None:
        """Take what arrives until the other end is closed or the limit is passed."""
        while self.take():
            await anyio.wait_readable(self.descriptor)

    def take(self) -> bool:
        """Take what is there without waiting; return whether more is wanted and can come."""
        while not self.overflowed:
            try:
                chunk = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self.read += len(chunk)
            self.kept += chunk
            if self.tail is not None:
                del self.kept[: -self.tail]
        return False


async def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None,
    seconds: float,
    limit: int,
    tail: int | None = None,
) -> Outcome:
    """Run `command` in a session of its own and return how it ended, when all of that session is gone.

    It is killed after `seconds`, or when an output stream passes `limit` bytes. With a `tail` only so many bytes of its
    standard output are kept, the last ones. `env` of `None` is our own. When
    cancelled, the program is killed first.
    """
    # A cancellation between the fork and the record of it would leave a child that nobody knows.
    with anyio.CancelScope(shield=True):
        try:
            child = await in_thread(_spawn, command, cwd, env)
        except OSError as error:
            return NotStarted(error)
        except ValueError as error:  # a NUL in the command or its environment
            return NotStarted(OSError(errno.EINVAL, str(error)))
    output = _Stream("standard output", _unblocked(child.stdout), limit, tail)
    errors = _Stream("standard error", _unblocked(child.stderr), limit, _TAIL)
    survivors: tuple[Member, ...] = ()
    try:
        try:
            with anyio.move_on_after(seconds) as clock:
                await _until_exit(child.pid, output, errors)
        finally:
            with anyio.CancelScope(shield=True):
                survivors = await in_thread(sweep, child.pid, _PATIENCE)
        output.take()
        errors.take()
    except OSError as error:
        return NotStarted(error)
    finally:
        # Reaping comes last: until then the numbers of the program are certainly still its own.
        code = child.poll()
        _close(child)
    for stream in (output, errors):
        if stream.overflowed:
            return Overflowed(stream.name, survivors)
    if clock.cancelled_caught or code is None:
        return TimedOut(bytes(errors.kept), survivors)
    return Finished(code, bytes(output.kept), bytes(errors.kept), survivors)


def _spawn(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=str(cwd),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


async def _until_exit(pid: int, *streams: _Stream) -> None:
    """Collect what the program prints until it has ended or one of `streams` has overflowed."""
    exited = os.pidfd_open(pid)
    try:
        async with anyio.create_task_group() as group:

            async def follow(stream: _Stream) -> None:
                await stream.follow()
                if stream.overflowed:
                    group.cancel_scope.cancel()

            for stream in streams:
                group.start_soon(follow, stream)
            await anyio.wait_readable(exited)
            group.cancel_scope.cancel()
    finally:
        os.close(exited)


def _unblocked(pipe: IO[bytes] | None) -> int:
    assert pipe is not None  # noqa: S101 - both were asked for
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


def _close(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
