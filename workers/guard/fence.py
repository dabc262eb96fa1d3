"""What a session with a work tree of its own may not write: the checkout, and the work trees of other sessions."""

from __future__ import annotations

import os

from workers.guard.gitline import READS, SWEEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.gitline import CommandLine
    from workers.guard.ground import Ground
    from workers.guard.ignored import Ignored

# Commands that write git's index or its HEAD, which are git's own files and so no writes that would be refused.
_WRITES_GITS_OWN = frozenset(b"add am apply commit mv rm symbolic-ref update-index".split())


class Fence:
    """Around the session's `own` work tree; `others` is the folder that has those of all sessions.

    Git's own files in the checkout, and what git ignores there, are free: objects and branches are shared, and
    caches may be.
    """

    __slots__ = ("_checkout", "_ignored", "_others", "_own")

    def __init__(self, own: Ground, checkout: Ground, others: Ground, ignored: Ignored) -> None:
        self._own = own
        self._checkout = checkout
        self._others = others
        self._ignored = ignored

    def trespass(self, path: bytes, *, moves: bool) -> str | None:
        """Return why an absolute path may not be written, or moved with all below it, in a sentence."""
        if path == self._own.root or self._own.relative(path):
            return None
        if moves and self._own.relative(path) is not None:
            return self._told(path, "a folder around the session's own work tree")
        inside = self._others.relative(path)
        if inside:
            return self._told(path, f"in the work tree of session {os.fsdecode(inside.split(b'/')[0])}")
        inside = self._checkout.relative(path)
        if inside is None or (inside == b"" and not moves):
            return None
        if inside and (self._checkout.is_gits(inside) or self._ignored.covers(inside)):
            return None
        return self._told(path, "in the checkout, which changes by integration only")

    def strays(self, at: bytes, command: CommandLine) -> str | None:
        """Return why a git command may not be run in the folder `at`, in a sentence."""
        if at == self._own.root or self._own.relative(at):
            return None
        deed = command.deed()
        if deed == READS or (deed != SWEEPS and command.command not in _WRITES_GITS_OWN):
            return None
        if self._others.relative(at):
            where = "in the work tree of another session"
        elif (at == self._checkout.root or self._checkout.relative(at)) and not self._nested(at):
            where = "in the checkout, which changes by integration only"
        else:
            return None
        return self._told(b"git " + command.command, where)

    def close(self) -> None:
        """End the process that answers about ignored paths."""
        self._ignored.close()

    def _nested(self, at: bytes) -> bool:
        """Tell whether a folder of the checkout is in a repository of its own."""
        while at != self._checkout.root and len(at) > 1:
            if os.path.lexists(at + b"/.git"):
                return True
            at = os.path.dirname(at)
        return False

    def _told(self, what: bytes, where: str) -> str:
        shown = what.decode("utf-8", "replace")
        return f"{shown} is {where}; this session works in {self._own.root.decode('utf-8', 'replace')}"
