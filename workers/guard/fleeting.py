"""Names that come and go: a lease on a file that did not exist before and does not exist any more is given back.

Programs write to `.tmp.1234` and rename it; each such name is leased at its first write. What such a lease covers is then
as it was before it was asked for, so nobody needs it. A name is looked at when no call has named it for a while:
a call that was let pass before has reached its file by then.
"""

from __future__ import annotations

import os

from workers.guard.lease import is_newer, token_of
from workers.session.clock import FOREVER, boottime
from workers.session.kernel import give_memory_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.claims import Claims, Verdict
    from workers.guard.rights import Rights

_STEP = 0.5  # seconds in which the same group takes all names
_STEPS = 2  # whole steps without a call that names the file
_STORM = 500  # names given back, after which it pays to return the memory of their leases
_NOW = 1e-9  # long past
_MOST_GONE = 5_000  # names that are looked at before a git command runs; of more, all are kept
_AT_ONCE = 1_000  # names that are looked at before the worker does anything else


class Fleeting:
    """The files that the session made itself, of those that it leased by writing.

    Names wait in groups, the latest first, for their time to be looked at: a storm has thousands of them.
    """

    __slots__ = (
        *("_claims", "_freed", "_prefix", "_quiet", "_rights", "_step_at", "_unanswered", "_waiting"),
    )

    def __init__(self, root: bytes, rights: Rights, claims: Claims) -> None:
        self._prefix = root.rstrip(b"/") + b"/"
        self._rights = rights
        self._claims = claims
        self._waiting: list[dict[bytes, None]] = [{} for _ in range(_STEPS + 1)]
        self._quiet: dict[bytes, None] = {}  # to be looked at
        self._step_at = FOREVER  # when the next group begins (CLOCK_BOOTTIME)
        self._unanswered = 0  # questions to the supervisor
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
        """Note what `absent` returned, once the call has gone on and the session has the leases."""
        for path, token in absent:
            if self._rights.make(path, token):
                self.named(path)

    def named(self, path: bytes) -> None:
        """Note a call that names a file."""
        latest = self._waiting[0]
        if self._rights.is_taken_up(path) or path in latest or not self._rights.is_made(path):
            return
        if self._step_at == FOREVER:
            self._step_at = boottime() + _STEP
        for group in (*self._waiting[1:], self._quiet):
            group.pop(path, None)
        latest[path] = None

    def moved(self, folder: bytes) -> None:
        """Note a call that moves a folder with all below it."""
        for path in self._rights.made_below(folder):
            self.named(path)

    def kept(self) -> None:
        """Keep all leases up to now: git may take in the files, and their absence is a change then.

        What is gone already when git is about to run, and is not named again, git cannot take in.
        """
        waiting = [path for group in (*self._waiting, self._quiet) for path in group]
        gone = {path for path in waiting if self.is_absent(path)} if len(waiting) <= _MOST_GONE else set()
        self._rights.keep({path for path in gone if self._rights.is_made(path)})

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return _NOW if self._quiet else self._step_at

    def look(self) -> None:
        """Give back the leases on files that are gone."""
        now = boottime()
        if now >= self._step_at:
            self._step(now)
        gone: list[bytes] = []
        for _ in range(min(_AT_ONCE, len(self._quiet))):
            path, _ = self._quiet.popitem()
            if not os.path.lexists(self._prefix + path):
                gone.append(path)
        if gone:
            self._give_back(gone)

    def _step(self, now: float) -> None:
        """Begin a new group; the names in the oldest have been quiet for long enough."""
        if self._quiet:
            self._quiet |= self._waiting.pop()
        else:
            self._quiet = self._waiting.pop()
        self._waiting.insert(0, {})
        self._step_at = now + _STEP if any(self._waiting) else FOREVER
        if not self._unanswered:
            self._rights.pardon()  # a list of leases from before their end has long arrived

    def _give_back(self, paths: list[bytes]) -> None:
        """Forget first, tell then: what the session writes from here on is asked for."""
        tokens = self._rights.give_back(paths)
        if not tokens:
            return
        self._unanswered += 1

        def answered(_verdict: Verdict) -> None:
            self._unanswered -= 1
            self._freed += len(tokens)
            if self._freed >= _STORM and self.due() == FOREVER:
                self._freed = 0
                give_memory_back()

        self._claims.give_back(tokens, [], answered)


def _is_file(lease: object) -> bool:
    match lease:
        case [_, {"kind": "file"}, *_]:
            return True
    return False
