"""The commit gate inside the guard: a branch moves when git renames or removes a file, and that call is held too.

So the gate does not depend on hooks: neither core.hooksPath nor a program that knows no hooks goes around it.
Of an ordinary commit, a git that stays says what changes, and the supervisor is asked over the session's own line.
Of all else, and when either does not answer, a fork of the worker asks as a hook would. The loop goes on meanwhile.
"""

from __future__ import annotations

import os
import posix
import select

from workers.gate.main import verdict
from workers.gate.wire import text_of
from workers.guard.refs import Refs
from workers.session import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.gate.differ import Differ
    from workers.guard.line import Answer, Line
    from workers.guard.refs import Move
    from workers.session.loop import Loop

_NOBODY = "nobody could be asked whether this branch may move; repeat the command"


class Branches:
    """Judges moves of branches in one repository. `environ` has what the gate's client goes by."""

    __slots__ = ("_differ", "_environ", "_line", "_loop", "moves")

    def __init__(
        self, loop: Loop, git_dir: bytes, environ: dict[bytes, bytes], differ: Differ, line: Line
    ) -> None:
        self._loop = loop
        self._differ = differ
        self._line = line
        self.moves = Refs(git_dir).moves
        self._environ = environ | {b"GIT_DIR": git_dir}

    def judge(
        self, moves: list[Move], judged: Callable[[list[str]], None], *, from_hook: bool = False
    ) -> None:
        """Ask; `judged` hears why the branches may not move, in lines, or nothing when they may.

        What git's hook tells of a branch that is deleted may be no more than its file, once it is packed.
        """
        move = moves[0]
        if (
            len(moves) > 1
            or _is_zero(move.old)
            or _is_zero(move.new)
            or self._environ.get(b"LEASEHOLD_TARGET", move.ref) != move.ref
        ):
            self._ask_apart(moves, judged, from_hook=from_hook)
            return
        if move.old == move.new:
            judged([])
            return

        def heard(answer: Answer) -> None:
            lines = _lines(answer)
            if lines is None:
                self._ask_apart(moves, judged, from_hook=from_hook)
            else:
                judged(lines)

        def found(paths: list[bytes] | None) -> None:
            if paths is None:
                self._ask_apart(moves, judged, from_hook=from_hook)
            else:
                self._line.ask("gate.check", {"updates": [_update(move, paths)]}, heard)

        self._differ.ask(move.old, move.new, found)

    def rest(self) -> None:
        """End the process that answers about commits."""
        self._differ.close()

    def _ask_apart(self, moves: list[Move], judged: Callable[[list[str]], None], *, from_hook: bool) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        worker = os.getpid()
        try:
            if os.fork() == 0:
                _ask(moves, writer, worker, self._environ, packs=from_hook)
        except OSError:  # the host has no process to give; the session must not end by that
            os.close(reader)
            judged([_NOBODY])
            return
        finally:
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
                judged([_NOBODY])

        self._loop.watch(reader, select.POLLIN, heard)


def _is_zero(name: bytes) -> bool:
    return not name.strip(b"0")


def _update(move: Move, paths: list[bytes]) -> dict[str, object]:
    return {
        "ref": text_of(move.ref),
        "old": text_of(move.old),
        "new": text_of(move.new),
        "kind": "update",
        "paths": [text_of(path) for path in paths],
    }


def _lines(answer: Answer) -> list[str] | None:
    """Return why the supervisor refuses, nothing when it does not, and `None` when it did not answer."""
    match answer:
        case {"result": {"ok": True}}:
            return []
        case {"error": {"message": str(message), **rest}} if message:
            data = rest.get("data")
            lines = data.get("lines") if isinstance(data, dict) else None
            return [message, *(f"  {line}" for line in lines or ())]
        case _:
            return None


def _ask(moves: list[Move], writer: int, worker: int, environ: dict[bytes, bytes], *, packs: bool) -> None:
    """Ask in the forked process, which holds nothing that outlives its one question."""
    try:
        kernel.die_with_parent()
        if os.getppid() == worker:
            os.closerange(3, writer)
            os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
            posix.environ.update(environ)
            transaction = b"\n".join([move.line() for move in moves])
            lines = "\n".join(verdict(transaction, packs=packs)).encode(errors="replace")
            os.write(writer, lines[:60_000] + b"\0")
    finally:
        os._exit(0)
