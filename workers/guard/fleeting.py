"""Names that come and go: a lease on a file that did not exist before and does not exist any more is given back.

Programs write to `.tmp.1234` and rename it; each such name is leased at its first write. What such a lease covers is then
as it was before it was asked for, so nobody needs it. A name is looked at when no call has named it for a while:
a call that was let pass before has reached its file by then.
"""

from __future__ import annotations

import os

from workers.guard.rights import is_newer, token_of
from workers.session.clock import FOREVER, boottime
from workers.session.kernel import give_memory_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.claims import Claims, Verdict
    from workers.guard.rights import Rights

_QUIET = 1.0  # seconds without a call that names the file
_STORM = 500  # names given back, after which it pays to return the memory of their leases
_AT_ONCE = 2_000  # names that are looked at before the worker does anything else


class Fleeting:
    """The files that the session made itself, of those that it leased by writing."""

    __slots__ = ("_born", "_claims", "_done", "_freed", "_not_before", "_prefix", "_quiet_at", "_rights")

    def __init__(self, root: bytes, rights: Rights, claims: Claims) -> None:
        self._prefix = root.rstrip(b"/") + b"/"
        self._rights = rights
        self._claims = claims
        self._born: dict[bytes, object] = {}  # the token of each
        self._quiet_at: dict[bytes, float] = {}  # by the path, the earliest first (CLOCK_BOOTTIME)
        self._not_before = (
            0.0  # each look costs as much as there are leases: one at a time would cost their square
        )
        self._done: list[object] = []  # tokens that the supervisor has taken back
        self._freed = 0  # names given back since memory was returned

    def absent(self, files: list[bytes], leases: list[object], newest: int) -> list[tuple[bytes, object]]:
        """Return which of these files are new leases on nothing, with their tokens, while the call is still held.

        The leases are in the order of the files that they were asked for; `newest` is the highest token that
        the session had when it asked.
        """
        return [
            (path, token_of(lease))
            for path, lease in zip(files, leases, strict=False)
            if is_newer(lease, newest) and _is_file(lease) and self.is_absent(path)
        ]

    def is_absent(self, path: bytes) -> bool:
        """Tell whether nothing is at a path."""
        return not os.path.lexists(self._prefix + path)

    def granted(self, absent: list[tuple[bytes, object]]) -> None:
        """Note what `absent` returned, once the call has gone on."""
        for path, token in absent:
            self._born[path] = token
            self.named(path)

    def named(self, path: bytes) -> None:
        """Note a call that names a file."""
        if path in self._born:
            self._quiet_at.pop(path, None)
            self._quiet_at[path] = boottime() + _QUIET

    def moved(self, folder: bytes) -> None:
        """Note a call that moves a folder with all below it."""
        for path in [path for path in self._born if path.startswith(folder + b"/")]:
            self.named(path)

    def kept(self) -> None:
        """Keep all leases up to now: git may have taken in the files, and their absence is a change then."""
        self._born.clear()
        self._quiet_at.clear()

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return max(self._not_before, next(iter(self._quiet_at.values()), FOREVER))

    def look(self) -> None:
        """Give back the leases on files that are gone."""
        now = boottime()
        if now < self._not_before:
            return
        quiet: list[bytes] = []
        for path, at in self._quiet_at.items():
            if at > now or len(quiet) == _AT_ONCE:
                break
            quiet.append(path)
        if quiet and len(quiet) < _AT_ONCE:
            self._not_before = now + _QUIET
        tokens: list[object] = []
        for path in quiet:
            del self._quiet_at[path]
            if not os.path.lexists(self._prefix + path):
                tokens.append(self._born.pop(path))
        if tokens:
            self._give_back(tokens)

    def _give_back(self, tokens: list[object]) -> None:
        """Forget first, tell then: what the session writes from here on is asked for."""
        self._rights.pardon(self._done)  # a list of leases from before their end has long arrived
        self._done = []
        self._rights.revoke(tokens)

        def answered(_verdict: Verdict) -> None:
            self._done += tokens
            self._freed += len(tokens)
            if self._freed >= _STORM and not self._quiet_at:
                self._freed = 0
                give_memory_back()

        self._claims.give_back(tokens, [], answered)


def _is_file(lease: object) -> bool:
    match lease:
        case [_, {"kind": "file"}, *_]:
            return True
    return False
