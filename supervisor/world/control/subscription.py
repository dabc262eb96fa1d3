"""Events pushed to every connection that asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from supervisor.world.control import wire

Push = Callable[[bytes], None]


class Subscription:
    """A set of connections that hear the same events.

    `method` is the name the events carry on the wire.
    """

    __slots__ = ("_listeners", "_method")

    def __init__(self, method: str = "event") -> None:
        self._method = method
        self._listeners: dict[Push, None] = {}  # a dict keeps the order of arrival, a set does not

    def __len__(self) -> int:
        return len(self._listeners)

    def publish(self, params: object) -> None:
        """Send an event to everyone who listens; it is encoded once, and not at all for nobody."""
        if not self._listeners:
            return
        line = self.line(params)
        # A listener that does not read is dropped while we walk, and leaves the set by that.
        for push in tuple(self._listeners):
            push(line)

    def line(self, params: object) -> bytes:
        """Return the event as it goes over the wire."""
        return wire.notice_line(self._method, params)

    def join(self, push: Push) -> None:
        """Add a listener (called by the connection)."""
        self._listeners[push] = None

    def leave(self, push: Push) -> None:
        """Remove a listener; one that is not there is no error."""
        self._listeners.pop(push, None)


@dataclass(frozen=True, slots=True)
class Stream:
    """What a method returns to subscribe its caller.

    The client gets `result` as the answer, then each of `backlog` as an event, then everything that is
    published, with nothing lost between them: all of it happens before the method's tick ends.
    """

    subscription: Subscription
    result: object = None
    backlog: Iterable[object] = field(default=())
