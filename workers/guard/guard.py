"""The guard of one session: every held call is let pass, refused, or parked until the supervisor has answered."""

from __future__ import annotations

import errno
import os
import select

from workers.guard.calls import MOVE, NAMES, PASS_BY, targets
from workers.guard.claims import Away, Claim, Granted, Refused
from workers.guard.memory import GoneError, Memory, UnreadableError
from workers.guard.resolve import Eyes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.calls import Target
    from workers.guard.claims import Claims
    from workers.guard.ground import Ground
    from workers.guard.ignored import Ignored
    from workers.guard.rights import Rights
    from workers.guard.seccomp import Held, Listener
    from workers.session.loop import Loop

_AT_ONCE = 64  # calls that are served before the loop looks at anything else


class Account:
    """What the guard has done so far."""

    __slots__ = ("asked", "faults", "held", "refused", "unreadable")

    def __init__(self) -> None:
        self.held = 0  # calls that the kernel held
        self.asked = 0  # of them, those that the supervisor was asked about
        self.refused = 0
        self.unreadable = 0  # let pass, because the task's memory may not be read
        self.faults = 0  # let pass, because of a fault of the guard itself

    def report(self) -> dict[str, int]:
        """Return it for the exit record."""
        return {name: getattr(self, name) for name in self.__slots__}


class Guard:
    """Serves a listener in the worker's loop. `refused` is told of each refusal: the program and why.

    `wait` (seconds) is how long a write waits for another session's lease; `open_when_away` lets writes
    pass when the supervisor has been away for longer than the session waits for it.
    """

    __slots__ = (
        *("_claims", "_eyes", "_ground", "_ignored", "_listener", "_loop", "_open_when_away", "_poll"),
        *("_refused", "_rights", "_wait", "account"),
    )

    def __init__(
        self,
        loop: Loop,
        listener: Listener,
        ground: Ground,
        ignored: Ignored,
        rights: Rights,
        claims: Claims,
        refused: Callable[[int, str], None],
        *,
        wait: float,
        open_when_away: bool,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._ground = ground
        self._eyes = Eyes(ground.root)
        self._ignored = ignored
        self._rights = rights
        self._claims = claims
        self._refused = refused
        self._wait = wait
        self._open_when_away = open_when_away
        self._poll = select.poll()
        self._poll.register(listener.fd, select.POLLIN)
        self.account = Account()
        loop.watch(listener.fd, select.POLLIN, self._ready)

    def report(self) -> dict[str, object]:
        """Return the level that the session runs at, and what the guard has done so far."""
        return {"level": "kernel", **self.account.report()}

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return self._claims.due()

    def look(self) -> None:
        """Do what is due."""
        self._claims.look()

    def rest(self) -> None:
        """End the process that answers about ignored paths, before the tree is swept."""
        self._ignored.close()

    def close(self) -> None:
        """Stop serving. Calls that are held then fail with ENOSYS, so every process must be gone."""
        self._claims.close()
        self._ignored.close()
        if self._listener.fd >= 0:
            self._loop.forget(self._listener.fd)
            os.close(self._listener.fd)
            self._listener.fd = -1

    def _ready(self, mask: int) -> None:
        for _ in range(_AT_ONCE):
            if not mask & select.POLLIN:
                self._loop.forget(self._listener.fd)  # no task has the filter any more
                os.close(self._listener.fd)
                self._listener.fd = -1
                return
            call = self._listener.receive()
            if call is not None:
                self._serve(call)
            ready = self._poll.poll(0)
            if not ready:
                return
            ((_, mask),) = ready

    def _serve(self, call: Held) -> None:
        self.account.held += 1
        try:
            claim = self._claim(call)
        except GoneError:
            self._listener.let_pass(call)
            return
        except UnreadableError:
            self.account.unreadable += 1
            self._listener.let_pass(call)
            return
        except Exception:  # noqa: BLE001  - a fault of ours must not break a program of the session
            self.account.faults += 1
            self._listener.let_pass(call)
            return
        if claim is None:
            self._listener.let_pass(call)
            return
        self.account.asked += 1
        self._claims.ask(claim, self._wait, lambda answer: self._answered(call, claim, answer))

    def _claim(self, call: Held) -> Claim | None:
        """Return what the supervisor must be asked for, or `None` when the call may pass without."""
        memory = Memory(call.task)
        try:
            if not self._listener.waits(call):
                raise GoneError
            named = targets(call, memory, self._eyes)
        finally:
            memory.close()
        claim: Claim | None = None
        for target in named:
            path = self._ground.relative(target.path)
            if path is None or not self._matters(path, target):
                continue
            claim = claim or Claim([], [], [])
            kinds = {MOVE: claim.folders, PASS_BY: claim.places}
            kinds.get(target.deed, claim.files).append(path)
        return claim

    def _matters(self, path: bytes, target: Target) -> bool:
        if target.deed == MOVE:
            return not self._rights.cover_tree(path) and not self._free(path) and not self._free(path + b"/")
        if not path:
            return False  # the work tree's own folder: nobody leases that alone
        return not self._rights.cover(path) and not self._free(path)

    def _free(self, path: bytes) -> bool:
        return bool(path) and (self._ground.is_gits(path) or self._ignored.covers(path))

    def _answered(self, call: Held, claim: Claim, answer: object) -> None:
        match answer:
            case Granted():
                self._rights.add(answer.leases, claim.files, claim.folders)
                self._listener.let_pass(call)
            case Away() if self._open_when_away:
                self._listener.let_pass(call)
            case Refused() | Away():
                self.account.refused += 1
                self._listener.refuse(call, errno.EBUSY)
                self._refused(call.task, f"{NAMES[call.arch, call.number]}: {answer.why}")
