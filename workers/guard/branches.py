"""The commit gate inside the guard: a branch moves when git renames its lock file, and that call is held too.

So the gate does not depend on hooks: neither core.hooksPath nor a program that knows no hooks goes around it.
A fork of the worker asks git what changes and the supervisor whether it may, while the loop goes on.
"""

from __future__ import annotations

import os
import posix
import select

from workers.gate.main import verdict
from workers.session import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.calls import Target
    from workers.session.loop import Loop

_ZERO = b"0" * 40
_LOCK = b".lock"


class Move:
    """A branch about to move, as a line of git's reference transactions: "OLD NEW REF"."""

    __slots__ = ("line",)

    def __init__(self, line: bytes) -> None:
        self.line = line


class Branches:
    """Judges moves of branches in one repository. `environ` has what the gate's client goes by."""

    __slots__ = ("_environ", "_heads", "_loop", "_refs")

    def __init__(self, loop: Loop, git_dir: bytes, environ: dict[bytes, bytes]) -> None:
        self._loop = loop
        self._heads = git_dir + b"/refs/heads/"
        self._refs = git_dir + b"/"
        self._environ = environ | {b"GIT_DIR": git_dir}

    def move(self, named: list[Target]) -> Move | None:
        """Return the move of a branch that a rename with these targets would make, if it is one."""
        if len(named) != 2 or not named[1].path.startswith(self._heads) or not named[0].path.endswith(_LOCK):
            return None
        new = _value(named[0].path)
        if new is None:
            return None  # a symbolic reference, or none of git's
        old = _value(named[1].path) or _ZERO
        if old == new:
            return None
        return Move(old + b" " + new + b" " + named[1].path[len(self._refs) :])

    def judge(self, move: Move, judged: Callable[[list[str]], None]) -> None:
        """Ask; `judged` hears why the branch may not move, in lines, or nothing when it may."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        worker = os.getpid()
        if os.fork() == 0:
            _ask(move, writer, worker, self._environ)
        os.close(writer)
        said = bytearray()

        def heard(_mask: int) -> None:
            piece = os.read(reader, 65536)
            said.extend(piece)
            if piece:
                return
            self._loop.forget(reader)
            os.close(reader)
            if said.endswith(b"\0"):  # the end of a verdict; without it, the asker died
                judged([line for line in said[:-1].decode(errors="replace").split("\n") if line])
            else:
                judged(["nobody could be asked whether this branch may move; repeat the command"])

        self._loop.watch(reader, select.POLLIN, heard)


def _value(path: bytes) -> bytes | None:
    """Return the object that a reference file names, or `None`."""
    try:
        with open(path, "rb") as file:
            content = file.read(256).strip()
    except OSError:
        return None
    return content if content and not content.startswith(b"ref:") and content.isalnum() else None


def _ask(move: Move, writer: int, worker: int, environ: dict[bytes, bytes]) -> None:
    """Ask in the forked process, which holds nothing that outlives its one question."""
    try:
        kernel.die_with_parent()
        if os.getppid() == worker:
            os.closerange(3, writer)
            os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
            posix.environ.update(environ)
            lines = "\n".join(verdict(move.line)).encode(errors="replace")
            os.write(writer, lines[:60_000] + b"\0")
    finally:
        os._exit(0)
