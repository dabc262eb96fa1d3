"""An answer that comes when the thing has happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from supervisor.world.control.errors import RpcError

Deliver = Callable[["Later", object], None]


@dataclass(frozen=True, slots=True)
class _Unbound:
    """The method has not returned the promise yet."""


@dataclass(frozen=True, slots=True)
class _Early:
    """Answered before the method returned it."""

    outcome: object


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A client waits for it."""

    deliver: Deliver


@dataclass(frozen=True, slots=True)
class _Over:
    """Delivered, or nobody is left to deliver it to."""


class Later:
    """A promise that a method returns in place of its result.

    Whoever makes the thing happen calls `answer` or `refuse`, once, from the event loop's thread.
    `on_gone` is called instead when the client leaves first or the server closes: it takes the waiter
    out of the queue it stands in.
    """

    __slots__ = ("_on_gone", "_state")

    def __init__(self, on_gone: Callable[[], None] | None = None) -> None:
        self._on_gone = on_gone
        self._state: _Unbound | _Early | _Waiting | _Over = _Unbound()

    def answer(self, value: object) -> bool:
        """Deliver the result; return False when nobody waits any more, so that a grant can be undone."""
        return self._tell(value)

    def refuse(self, error: RpcError) -> bool:
        """Deliver an error; return False when nobody waits any more."""
        return self._tell(error)

    def _tell(self, outcome: object) -> bool:
        match self._state:
            case _Unbound():
                self._state = _Early(outcome)
            case _Waiting(deliver):
                self._state = _Over()
                deliver(self, outcome)
            case _Early() | _Over():
                return False
        return True

    def bind(self, deliver: Deliver) -> None:
        """Say how the outcome reaches the client (called by the connection)."""
        match self._state:
            case _Early(outcome):
                self._state = _Over()
                deliver(self, outcome)
            case _Unbound():
                self._state = _Waiting(deliver)
            case _Waiting() | _Over():
                raise RuntimeError("one Later was returned for two requests; return a new one for each")

    def gone(self) -> None:
        """Say that nobody waits any more (called by the connection); `on_gone` runs, at most once."""
        match self._state:
            case _Over():
                return
            case _Unbound() | _Early() | _Waiting():
                self._state = _Over()
                if self._on_gone is not None:
                    self._on_gone()
