"""The guard in the worker: made when the harness has put itself under the filter, gone with its tree."""

from __future__ import annotations

import select
import socket

from workers.session.clock import FOREVER
from workers.session.command import guard_refused
from workers.session.place import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.guard import Guard
    from workers.guard.rights import Rights
    from workers.session.loop import Loop
    from workers.session.spec import GuardSpec
    from workers.session.wicket import Wicket


class Off:
    """No guard: the session runs at a lower level, and `why` says what kept it from this one.

    `level` is empty while that is not known yet. Branches are then judged when git's hooks ask.
    """

    __slots__ = ("_wicket", "level", "why")

    def __init__(self, why: str, level: str = "hooks") -> None:
        self.why = why
        self.level = level
        self._wicket: Wicket | None = None

    def attend(self, loop: Loop, environ: dict[str, str]) -> None:
        """Answer the hooks of a session with this environment, if it says where they ask."""
        if environ.get("LEASEHOLD_GATE", "").startswith("/"):
            from workers.session.wicket import Wicket

            try:
                self._wicket = Wicket(loop, environ)
            except OSError as error:
                note(f"{error.filename}: {error.strerror}; git's hooks ask the supervisor by themselves")

    def report(self) -> dict[str, object]:
        """Return it for whoever asks about the session."""
        return {"level": self.level, "why": self.why}

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return FOREVER if self._wicket is None else self._wicket.due()

    def look(self) -> None:
        """Do what is due."""
        if self._wicket is not None:
            self._wicket.look()

    def hear(self) -> None:
        """Do nothing: the supervisor is asked for no leases."""

    def rest(self) -> None:
        """Answer no more, before the tree is swept."""
        if self._wicket is not None:
            self._wicket.close()
            self._wicket = None

    def close(self) -> None:
        """Do nothing."""


class Pending:
    """The harness is about to put itself under the filter; its answer comes over `line`.

    `env` are variables that hold instead then. `required`: it must not run without.
    """

    __slots__ = ("env", "line", "program", "required", "theirs")

    def __init__(self, program: bytes, env: dict[str, str], *, required: bool) -> None:
        self.program = program
        self.env = env
        self.required = required
        self.line, self.theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
        )


def prepare(spec: GuardSpec | None) -> Pending | Off:
    """Return what the fork of the harness needs, before it is forked."""
    if spec is None:
        return Off("no guard was asked for")
    from workers.guard.architecture import UnknownMachineError, native
    from workers.guard.program import build

    try:
        program = build(native(), hold_exec=True, keep_dumpable=spec.keep_dumpable)
    except UnknownMachineError as error:
        return Off(str(error))
    return Pending(program, spec.env, required=spec.required)


def receive(
    pending: Pending,
    spec: GuardSpec,
    loop: Loop,
    rights: Rights,
    settled: Callable[[Guard | Off], None],
    told: Callable[[str], None],
) -> None:
    """Wait in the loop for the listener; `settled` hears what came of it."""
    pending.theirs.close()

    def answered(_mask: int) -> None:
        loop.forget(pending.line.fileno())
        message, fds, _, _ = socket.recv_fds(pending.line, 64, 1)
        pending.line.close()
        if not fds:
            settled(
                Off(
                    guard_refused(int(message))
                    if message.isdigit()
                    else "the harness ended before it had a guard"
                )
            )
            return
        # Meanwhile the harness begins; a session without a guard pays nothing.
        from workers.guard.making import make

        settled(make(fds[0], spec, loop, rights, told))

    loop.watch(pending.line.fileno(), select.POLLIN, answered)
