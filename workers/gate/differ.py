"""Which paths differ between two commits, asked of one git that stays: its start would cost more than the answer."""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.loop import Loop

_MOST_BYTES = 64_000  # of names in one answer
_MOST_ANSWERS = 10_000  # of one process, which remembers every commit that it has seen
_COMMAND = (
    *("diff-tree", "--stdin", "--always", "-r", "-z"),
    *("--name-only", "--no-renames", "--ignore-submodules=none"),
)


class Differ:
    """Answers in the loop, one question after the other. The process is started at the first."""

    __slots__ = ("_answers", "_environ", "_git", "_loop", "_open", "_pidfd", "_received", "_stdin", "_stdout")

    def __init__(self, loop: Loop, git: str, git_dir: bytes) -> None:
        self._loop = loop
        self._git = git
        # What a commit really holds is asked for, not what `git replace` shows in its place.
        self._environ = {b"GIT_DIR": git_dir, b"GIT_NO_REPLACE_OBJECTS": b"1"}
        self._open: list[tuple[bytes, bytes, Callable[[list[bytes] | None], None]]] = []
        self._received = bytearray()
        self._pidfd = self._stdin = self._stdout = -1
        self._answers = 0

    def ask(self, old: bytes, new: bytes, answered: Callable[[list[bytes] | None], None]) -> None:
        """Ask; `answered` hears the paths, or `None` when git did not say or they are too many."""
        # git gives back unchanged what names no object: so the end of an answer is known, and cannot be forged.
        end = b"end-%s\n" % os.urandom(8).hex().encode()
        self._open.append((new, end, answered))
        try:
            if self._stdin < 0:
                self._start()
            os.write(self._stdin, b"%s %s\n%s" % (new, old, end))
        except OSError:
            self._fail()

    def close(self) -> None:
        """End the process; what is still open stays unanswered."""
        self._open.clear()
        self._end()

    def _start(self) -> None:
        theirs_in, self._stdin = os.pipe2(os.O_CLOEXEC)
        self._stdout, theirs_out = os.pipe2(os.O_CLOEXEC)
        quiet = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            pid = os.posix_spawnp(
                self._git,
                [self._git, *_COMMAND],
                os.environb | self._environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_DUP2, quiet, 2),
                ],
            )
        finally:
            for fd in (theirs_in, theirs_out, quiet):
                os.close(fd)
        self._pidfd = os.pidfd_open(pid)
        self._answers = 0
        self._loop.watch(self._stdout, select.POLLIN, self._ready)

    def _ready(self, _mask: int) -> None:
        try:
            piece = os.read(self._stdout, 65536)
        except OSError:
            piece = b""
        self._received += piece
        while self._open and (found := _answer(self._received, *self._open[0][:2])) is not None:
            names, length = found
            del self._received[:length]
            self._answers += 1
            self._open.pop(0)[2](
                names if length <= _MOST_BYTES else None
            )  # its last piece may have come too soon
            if self._stdin < 0:
                return  # closed by whoever heard the answer
        if not piece or len(self._received) > _MOST_BYTES:
            self._fail()
        elif self._answers >= _MOST_ANSWERS and not self._open:
            self._end()

    def _fail(self) -> None:
        """Begin anew: whoever waits is told that there is no answer."""
        self._end()
        unanswered, self._open = self._open, []
        for *_, answered in unanswered:
            answered(None)

    def _end(self) -> None:
        self._received.clear()
        if self._pidfd >= 0:
            self._loop.forget(self._stdout)
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass  # it had ended, and has been reaped with the other children
        for fd in (self._pidfd, self._stdin, self._stdout):
            if fd >= 0:
                os.close(fd)
        self._pidfd = self._stdin = self._stdout = -1


def _answer(received: bytearray, commit: bytes, end: bytes) -> tuple[list[bytes] | None, int] | None:
    """Return the names of a whole answer and its length; no names when git did not know the commit."""
    at = received.find(end)
    if at < 0:
        return None
    first, *names = bytes(received[:at]).split(b"\0")
    return (names[:-1] if first == commit else None), at + len(end)
