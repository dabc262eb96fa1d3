"""Git's turns: a git command of the session has the checkout to itself while its process lives.

Commands that take git's locks go one session at a time; those that sweep over the work tree hold all of it, and
are refused while others hold files in it. What git starts itself is part of its turn.
"""

from __future__ import annotations

import os
import select

from workers.guard.claims import Granted
from workers.guard.lease import is_newer, token_of
from workers.session.proc import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.guard.claims import Claims, Verdict
    from workers.guard.rights import Rights
    from workers.session.loop import Loop

_MOST_WRITTEN = 10_000  # paths of one turn that are remembered; after more, git is asked what it left changed
_GENERATIONS = 64


class Turns:
    """The git processes of the session that have a turn now, or have asked for one.

    While one has asked, the turn is not given back: the answer may be that the session has it already.
    """

    __slots__ = ("_asking", "_claims", "_loop", "_owners", "_rights", "_tokens", "_written")

    def __init__(self, loop: Loop, rights: Rights, claims: Claims) -> None:
        self._loop = loop
        self._rights = rights
        self._claims = claims
        self._asking = 0
        self._owners: dict[int, int] = {}  # pid of a git process, and its pidfd
        self._tokens: list[object] = []
        self._written: set[bytes] = set()

    def includes(self, process: int) -> bool:
        """Tell whether a process was started, at whatever remove, by git in its turn."""
        for _ in range(_GENERATIONS):
            if process in self._owners:
                return True
            stat = read_stat(process)
            if stat is None or stat.parent <= 1:
                return False
            process = stat.parent
        return False

    def ask(self) -> None:
        """Take note that a turn is being asked for; `begin` or `forgo` follows."""
        self._asking += 1

    def forgo(self, tokens: Sequence[object] = ()) -> None:
        """Take note that the turn that was asked for is not to be had; `tokens` are of leases that were for it."""
        self._asking -= 1
        self._tokens += tokens
        self._look()

    def begin(self, process: int, leases: list[object], newest: int) -> bool:
        """Give a git process its turn, under leases that end with it unless the session had them before.

        `newest` is the highest token that it had when it asked: a list with the new ones may have come since.
        Return whether there is a turn: a process that was killed while it waited has none.
        """
        self._asking -= 1
        self._tokens += [token_of(lease) for lease in leases if is_newer(lease, newest)]
        if process not in self._owners:
            try:
                pidfd = os.pidfd_open(process)
            except OSError:
                self._look()
                return False
            self._owners[process] = pidfd
            self._loop.watch(pidfd, select.POLLIN, lambda _mask: self._ended(process))
        return True

    def wrote(self, path: bytes) -> None:
        """Remember a file that was written during a turn."""
        if self._owners and len(self._written) <= _MOST_WRITTEN:
            self._written.add(path)

    def close(self) -> None:
        """Forget all turns."""
        for pidfd in self._owners.values():
            self._loop.forget(pidfd)
            os.close(pidfd)
        self._owners.clear()

    def _ended(self, process: int) -> None:
        pidfd = self._owners.pop(process)
        self._loop.forget(pidfd)
        os.close(pidfd)
        self._look()

    def _look(self) -> None:
        if self._owners or self._asking:
            return
        tokens, self._tokens = self._tokens, []
        written, self._written = self._written, set()
        if tokens:
            self._rights.revoke(tokens)
            named = sorted(written) if len(written) <= _MOST_WRITTEN else None
            self._claims.give_back(tokens, named, self._kept)

    def _kept(self, verdict: Verdict) -> None:
        if isinstance(verdict, Granted):
            self._rights.grant(verdict.leases)
