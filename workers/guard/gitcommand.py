"""What a git command needs before it may run: the turn at the checkout, or a reason why it may not."""

from __future__ import annotations

import os

from workers.guard.calls import program_of
from workers.guard.claims import Claim, Refused
from workers.guard.gitline import READS, CommandLine
from workers.guard.gitplace import folders_of
from workers.guard.memory import GoneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.fence import Fence
    from workers.guard.ground import Ground
    from workers.guard.memory import Memory
    from workers.guard.resolve import Eyes
    from workers.guard.rules import Rules
    from workers.guard.seccomp import Held, Listener
    from workers.guard.spare_hooks import SpareHooks
    from workers.guard.stashes import Stashes


class GitCommands:
    """Reads the programs that a session starts. With a `fence` the work tree is the session's own: it takes no turns."""

    __slots__ = ("_eyes", "_fence", "_ground", "_hooks", "_listener", "_rules", "_stashes")

    def __init__(
        self,
        listener: Listener,
        ground: Ground,
        eyes: Eyes,
        hooks: SpareHooks,
        stashes: Stashes,
        rules: Rules,
        fence: Fence | None,
    ) -> None:
        self._listener = listener
        self._ground = ground
        self._eyes = eyes
        self._hooks = hooks
        self._stashes = stashes
        self._rules = rules
        self._fence = fence

    def need(self, call: Held, memory: Memory) -> Claim | Refused | None:
        """Return what the program of a held exec needs; `None` for one that is not git, and for git that only reads.

        Raises:
            GoneError, UnreadableError: as they say.
        """
        command = self._command(call, memory)
        if command is None:
            return None
        deed = command.deed()
        if deed == READS and command.command != b"push":
            return None
        self._demand(call)
        self._hooks.mend()
        if deed == READS:
            return None
        folders = folders_of(call, memory, self._eyes, command)
        self._demand(call)
        is_here = any(map(self._ground.is_home_of, folders))
        if is_here and (why := self._stashes.spared(command)) is not None:
            return Refused(why, late=False)
        if self._fence is not None:
            told = [why for at in folders if (why := self._fence.strays(at, command)) is not None]
            return Refused(told[0], late=False) if told else None
        return Claim(deed, command.discards()) if is_here else None

    def _command(self, call: Held, memory: Memory) -> CommandLine | None:
        found = program_of(call, memory, self._eyes)
        name = os.path.basename(found[0]) if found is not None else b""
        if found is None or (name != b"git" and not name.startswith(b"git-")):
            return None
        words = found[1] or [b"git"]
        called = name if name != b"git" else os.path.basename(words[0])
        if called.startswith(b"git-"):  # git's own folder has such names for each command
            words = [b"git", called[4:], *words[1:]]
        return CommandLine(words, self._rules.aliases)

    def _demand(self, call: Held) -> None:
        """See that what was read is of the task whose call it is."""
        if not self._listener.waits(call):
            raise GoneError
