"""The guard of one session: every held call is let pass, refused, or parked until the supervisor has answered."""

from __future__ import annotations

import errno
import os
import select

from workers.guard.account import Account
from workers.guard.calls import MOVE, WRITE, is_exec, removes, targets
from workers.guard.claims import Away, Claim, Granted, Leased, Refused
from workers.guard.fleeting import Fleeting
from workers.guard.gitline import CHANGES, SWEEPS
from workers.guard.memory import GoneError, Memory, UnreadableError
from workers.guard.turns import Turns
from workers.guard.whisper import whisper
from workers.session.clock import boottime
from workers.session.proc import leader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.branches import Branches
    from workers.guard.calls import Target
    from workers.guard.claims import Claims, Verdict
    from workers.guard.fence import Fence
    from workers.guard.gitcommand import GitCommands
    from workers.guard.ground import Ground
    from workers.guard.ignored import Ignored
    from workers.guard.refs import Move
    from workers.guard.resolve import Eyes
    from workers.guard.rights import Rights
    from workers.guard.rules import Rules
    from workers.guard.seccomp import Held, Listener
    from workers.session.loop import Loop

_AT_ONCE = 64  # calls that are served before the loop looks at anything else
_MOMENT = 0.01  # seconds in which nobody had time to write a file and give its lease up


class Guard:
    """Serves a listener in the worker's loop. `told` hears each sentence that the session is told.

    With a `fence` the work tree is the session's own: nobody is asked, and only what lies beyond is refused.
    """

    __slots__ = (
        "_branches",
        "_claims",
        "_commands",
        "_eyes",
        "_fence",
        "_fleeting",
        "_ground",
        "_ignored",
        "_listener",
        "_loop",
        "_poll",
        "_rights",
        "_rules",
        "_told",
        "_turns",
        "account",
    )

    def __init__(
        self,
        loop: Loop,
        listener: Listener,
        ground: Ground,
        eyes: Eyes,
        ignored: Ignored,
        rights: Rights,
        claims: Claims,
        branches: Branches,
        commands: GitCommands,
        told: Callable[[str], None],
        rules: Rules,
        fence: Fence | None = None,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._ground = ground
        self._eyes = eyes
        self._ignored = ignored
        self._rights = rights
        self._claims = claims
        self._branches = branches
        self._commands = commands
        self._told = told
        self._rules = rules
        self._fence = fence
        self._turns = Turns(loop, rights, claims)
        self._fleeting = Fleeting(ground.root, rights, claims)
        self._poll = select.poll()
        self._poll.register(listener.fd, select.POLLIN)
        self.account = Account()
        loop.watch_swift(listener.fd, select.POLLIN, self._ready)

    def report(self) -> dict[str, object]:
        """Return the level that the session runs at, and what the guard has done so far."""
        return {"level": "kernel", **self.account.report()}

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return min(self._claims.due(), self._fleeting.due())

    def look(self) -> None:
        """Do what is due."""
        self._claims.look()
        self._fleeting.look()

    def hear(self) -> None:
        """Take in what the supervisor has answered by now: whoever is told what the session holds is to be told of that too."""
        self._claims.hear()

    def rest(self) -> None:
        """End the processes that answer about ignored paths and commits, before the tree is swept."""
        self._ignored.close()
        self._branches.rest()
        if self._fence is not None:
            self._fence.close()

    def close(self) -> None:
        """Stop serving. Calls that are held then fail with ENOSYS, so every process must be gone."""
        self._claims.close()
        self._turns.close()
        self.rest()
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
            asked = self.account.asked
            if call is not None:
                self._serve(call)
            if self.account.asked > asked:
                return  # the loop looks for the answer and for the next call alike
            ready = self._poll.poll(0)
            if not ready:
                return
            ((_, mask),) = ready

    def _serve(self, call: Held, granted: Claim | None = None) -> None:
        """Look at a call and decide; what has been `granted` for it is not asked for again."""
        self.account.held += granted is None
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
        is_granted = granted is not None and isinstance(claim, Claim) and claim.is_within(granted)
        if claim is None or is_granted or not self._listener.waits(call):
            self._listener.let_pass(call)  # or it is gone: what was read may be another task's
            return
        if isinstance(claim, Refused):
            self._refuse(call, claim.why)
            return
        if isinstance(claim, list):
            self._branches.judge(claim, lambda lines: self._judged(call, lines))
            return
        self.account.asked += 1
        self._ask(call, claim)

    def _ask(self, call: Held, claim: Claim) -> None:
        claim.leases = []
        claim.newest = self._rights.newest
        claim.asked_at = boottime()
        wait = self._rules.git_wait if claim.git == CHANGES else self._rules.wait
        if claim.git:
            self._turns.ask()
        self._claims.ask(claim, wait, lambda verdict: self._answered(call, claim, verdict))

    def _claim(self, call: Held) -> Claim | list[Move] | Refused | None:
        """Return what the supervisor must be asked for, or `None` when the call may pass without.

        If the call does not wait any more by then, it may be about what another task named.
        """
        memory = Memory(call.task)
        try:
            if is_exec(call):
                return self._turn(call, memory)
            named = targets(call, memory, self._eyes)
        finally:
            memory.close()
        if moves := self._branches.moves(named, removes=removes(call)):
            return moves
        if self._fence is not None:
            return self._fenced(named, self._fence)
        claim: Claim | None = None
        for target in named:
            if target.inode is not None:
                claim = claim or Claim()
                claim.inodes.append(target.inode)
            path = self._ground.relative(target.path)
            if path is None or not self._matters(path, target):
                continue
            claim = claim or Claim()
            if target.deed == WRITE:
                claim.files.append(path)
                claim.makes = claim.makes or target.status is None
            else:
                (claim.folders if target.deed == MOVE else claim.places).append(path)
        return claim

    def _fenced(self, named: list[Target], fence: Fence) -> Refused | None:
        """Return why a call reaches out of the session's own work tree, in which it may do as it likes."""
        for target in named:
            why = fence.trespass(target.path, moves=target.deed == MOVE)
            if why is not None:
                return Refused(why, late=False)
        return None

    def _turn(self, call: Held, memory: Memory) -> Claim | Refused | None:
        """Return what a git command needs that no other one of the session has got already."""
        needed = self._commands.need(call, memory)
        return None if isinstance(needed, Claim) and self._turns.includes(leader(call.task)) else needed

    def _matters(self, path: bytes, target: Target) -> bool:
        if target.deed == MOVE:
            self._fleeting.moved(path)
            return not self._rights.cover_tree(path) and not self._free(path) and not self._free(path + b"/")
        if not path:
            return False  # the work tree's own folder: nobody leases that alone
        if self._rights.cover(path):
            self._fleeting.named(path)
            if target.deed == WRITE and not self._ground.is_gits(path):
                self._turns.wrote(path)
            return False
        return not self._free(path)

    def _free(self, path: bytes) -> bool:
        return bool(path) and (self._ground.is_gits(path) or self._ignored.covers(path))

    def _leased(self, call: Held, claim: Claim, lease: Leased) -> None:
        """Let the write of one file pass that is the session's now."""
        if self._rights.is_revoked(lease.token):
            self._ask(call, claim)  # what was granted has been taken back before the answer came
            return
        (path,) = claim.files
        is_born = claim.makes and lease.token > claim.newest
        if is_born and lease.granted_at > claim.asked_at + _MOMENT:
            is_born = self._fleeting.is_absent(path)  # whoever had the lease before may have made the file
        goes_on = self._goes_on(call, claim)
        self._rights.add_file(path, lease.token, lease.granted_at)
        if is_born:
            self._fleeting.granted([(path, lease.token)])
        if not goes_on:
            self._serve(call, claim)

    def _goes_on(self, call: Held, claim: Claim) -> bool:
        """Let a call pass, and the next one is not looked at before this one is noted; return False if it has waited.

        Its path may lead elsewhere by now, by another link or folder, and is to be looked at anew.
        """
        if not claim.git and boottime() > claim.asked_at + _MOMENT:
            return False
        self._listener.let_pass(call)
        return True

    def _answered(self, call: Held, claim: Claim, verdict: Verdict) -> None:
        if isinstance(verdict, Leased):
            self._leased(call, claim, verdict)
            return
        if claim.git and not isinstance(verdict, Granted):
            self._turns.forgo(claim.tokens())
        match verdict:
            case Granted():
                if claim.git:
                    if not self._turns.begin(leader(call.task), verdict.leases, claim.newest):
                        self._listener.let_pass(call)  # nobody waits for it any more
                        return
                    self._fleeting.kept()
                for notice in verdict.notices:
                    self._tell(call, notice)
                if self._rights.lack(verdict.leases):
                    self._ask(call, claim)  # what was granted has been taken back before the answer came
                    return
                absent = self._fleeting.absent(claim.files, verdict.leases, claim.newest)
                goes_on = self._goes_on(call, claim)
                folders = [*claim.folders, b""] if claim.git == SWEEPS else claim.folders
                self._rights.add(verdict.leases, claim.files, folders)
                self._fleeting.granted(absent)
                if not goes_on:
                    self._serve(call, claim)
            case Refused(late=True) if claim.git == CHANGES:
                self.account.turns_missed += 1  # git's own lock decides: a hook of the other may be slow
                self._listener.let_pass(call)
            case Away() if self._rules.open_when_away or claim.git == CHANGES:
                self._listener.let_pass(call)
            case Refused() | Away():
                self._refuse(call, verdict.why)

    def _refuse(self, call: Held, why: str) -> None:
        self.account.refused += 1
        self._tell(call, why)
        self._listener.refuse(call, errno.EBUSY)

    def _judged(self, call: Held, lines: list[str]) -> None:
        if lines:
            self._refuse(call, "\nleasehold: ".join(lines))
        else:
            self._listener.let_pass(call)

    def _tell(self, call: Held, text: str) -> None:
        whisper(leader(call.task), text)
        self._told(text)
