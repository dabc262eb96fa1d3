"""Where git's hooks of a session without a guard ask: named pipes, which a shell can use without any other program.

A hook takes one of a few answer pipes by making the file NAME.taken, writes "NAME OLD NEW REF" into the pipe `ask`, and
reads why the branch may not move, then `ok` or `refused`. Where all are taken, the hook asks with a client of its own.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.branches import Branches
    from workers.guard.line import Line
    from workers.session.loop import Loop

_NAMES = (b"1", b"2", b"3", b"4")
_HANDED_ON = ("LEASEHOLD_SOCKET", "LEASEHOLD_TOKEN", "LEASEHOLD_TARGET")
_LONGEST = 60_000  # bytes of an answer: a pipe holds 65,536 that nobody has read yet


class Wicket:
    """Answers in the worker's loop. `environ` is the session's: it says where, and about which repository."""

    __slots__ = ("_ask", "_branches", "_environ", "_folder", "_line", "_loop", "_received")

    def __init__(self, loop: Loop, environ: dict[str, str]) -> None:
        """Make the pipes.

        Raises:
            OSError: the folder cannot be made here; hooks ask without it then.
        """
        self._loop = loop
        self._environ = environ
        self._folder = os.fsencode(environ["LEASEHOLD_GATE"])
        self._received = b""
        self._branches: Branches | None = None
        self._line: Line | None = None
        os.mkdir(self._folder, 0o700)
        for name in (*_NAMES, b"ask"):
            os.mkfifo(self._folder + b"/" + name, 0o600)
        self._ask = self._open(b"ask")
        loop.watch(self._ask, select.POLLIN, self._asked)

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        from workers.session.clock import FOREVER

        return FOREVER if self._line is None else self._line.due()

    def look(self) -> None:
        """Do what is due."""
        if self._line is not None:
            self._line.look()

    def close(self) -> None:
        """Take the pipes away; a question that is still open stays unanswered."""
        if self._branches is not None:
            self._branches.rest()
        if self._line is not None:
            self._line.close()
        self._loop.forget(self._ask)
        os.close(self._ask)
        try:
            for name in os.listdir(self._folder):
                os.unlink(self._folder + b"/" + name)
            os.rmdir(self._folder)
        except OSError:
            pass  # a hook has just taken a pipe; the folder goes with that of the session

    def _open(self, name: bytes) -> int:
        # For reading too: so it opens at once, and its end never comes.
        return os.open(self._folder + b"/" + name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def _anew(self, name: bytes) -> int:
        """Open the pipe that a hook has open, and put another one there for whoever takes the name next."""
        answer = self._open(name)
        try:
            os.unlink(self._folder + b"/" + name)
            os.mkfifo(self._folder + b"/" + name, 0o600)
        except OSError:
            os.close(answer)
            raise
        return answer

    def _asked(self, _mask: int) -> None:
        *lines, self._received = (self._received + os.read(self._ask, 65536)).split(b"\n")
        for line in lines:
            name, *move = line.split(b" ", 3)
            if name in _NAMES and len(move) == 3:
                self._judge(name, *move)

    def _judge(self, name: bytes, old: bytes, new: bytes, ref: bytes) -> None:
        from workers.guard.refs import Move

        try:
            answer = self._anew(name)
        except OSError:
            return  # the session took the pipe away: nobody is there to be answered

        def judged(lines: list[str]) -> None:
            said = "".join(f"leasehold: {line}\n" for line in lines).encode(errors="replace")[:_LONGEST]
            os.write(answer, said.rstrip(b"\n") + b"\nrefused\n" if lines else b"ok\n")
            os.close(answer)
            try:
                os.unlink(self._folder + b"/" + name + b".taken")
            except OSError:
                return  # somebody tidied up

        self._asker().judge([Move(old, new, ref)], judged, from_hook=True)

    def _asker(self) -> Branches:
        if self._branches is None:
            # A session that never commits does not pay for these.
            from workers.gate.differ import Differ
            from workers.guard.branches import Branches
            from workers.guard.line import Line

            environ = self._environ
            git_dir = os.fsencode(environ["LEASEHOLD_REPO_GIT"])
            handed = {name.encode(): os.fsencode(environ[name]) for name in _HANDED_ON if name in environ}
            # Branches waits by itself for a supervisor that is away.
            self._line = Line(self._loop, environ["LEASEHOLD_SOCKET"], environ["LEASEHOLD_TOKEN"], 0.0)
            differ = Differ(self._loop, "git", git_dir)
            self._branches = Branches(self._loop, git_dir, handed, differ, self._line)
        return self._branches
