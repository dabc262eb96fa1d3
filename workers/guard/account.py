"""What the guard of a session has done, in numbers."""

from __future__ import annotations


class Account:
    """What the guard has done so far."""

    __slots__ = ("asked", "faults", "held", "refused", "turns_missed", "unreadable")

    def __init__(self) -> None:
        self.held = 0  # calls that the kernel held
        self.asked = 0  # of them, those that the supervisor was asked about
        self.refused = 0
        self.turns_missed = 0  # git commands that waited in vain for another session's to end, and went on
        self.unreadable = 0  # let pass, because the task's memory may not be read
        self.faults = 0  # let pass, because of a fault of the guard itself

    def report(self) -> dict[str, int]:
        """Return it for the exit record."""
        return {name: getattr(self, name) for name in self.__slots__}
