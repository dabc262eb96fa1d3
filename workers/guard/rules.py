"""How a guard decides what the leases leave open."""

from __future__ import annotations


class Rules:
    """How the guard is to decide what the leases leave open.

    `wait` and `git_wait` (seconds) are how long a write waits for another session's lease, and a git command
    for another session's to end. `open_when_away` lets writes pass when the supervisor has been away for longer
    than the session waits for it. `aliases` are git's, by name: the command that each begins with.
    """

    __slots__ = ("aliases", "git_wait", "open_when_away", "wait")

    def __init__(
        self, wait: float, git_wait: float, aliases: dict[bytes, bytes], *, open_when_away: bool
    ) -> None:
        self.wait = wait
        self.git_wait = git_wait
        self.aliases = aliases
        self.open_when_away = open_when_away
