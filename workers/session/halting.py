"""A pause that was asked for and is not yet a fact: tried again until the tree stands still, or for two seconds."""

from __future__ import annotations

from workers.session import proc
from workers.session.clock import boottime

_PATIENCE = 2.0  # seconds
_AGAIN = 0.02  # seconds between two attempts, in which the session goes on and the worker serves it

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.wire import Client


class Halting:
    """Who asked for the pause, why, and when it is tried next (CLOCK_BOOTTIME)."""

    __slots__ = ("_until", "by", "client", "next_at", "number", "why")

    def __init__(self, client: Client, number: object, by: str, why: str) -> None:
        self.client = client
        self.number = number
        self.by = by
        self.why = why
        self.next_at = 0.0
        self._until = boottime() + _PATIENCE

    def moved(self, moving: list[proc.Stat]) -> str:
        """Take in that an attempt failed; return why it was the last one, or nothing if it was not."""
        now = boottime()
        self.next_at = now + _AGAIN
        if now < self._until:
            return ""
        shown = proc.describe_survivor(moving[0])
        return (
            f"{len(moving)} of its processes did not stand still within {_PATIENCE:g} s and it goes on: pid "
            f"{shown['pid']} ({shown['command']}), state {shown['state']}, waits in {shown['wchan'] or '?'}"
        )
