"""Who stands beside the workers' watchers: who keeps their pidfds, and who listens to their harnesses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from supervisor.core.sessions.masking import Masks
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.verdicts import Told


class Keeper(Protocol):
    """Who keeps workers' pidfds for the next supervisor."""

    def keep(self, session: str, pidfd: int) -> None:
        """Keep a copy."""

    def forget(self, session: str) -> None:
        """Let go of it."""

    def kept(self, session: str, pid: int) -> int | None:
        """Return the pidfd that was kept for this start, if it is one of process `pid`; the caller owns it."""


class KeepsNothing:
    """No service manager, no keeper."""

    def keep(self, session: str, pidfd: int) -> None:
        """Keep nothing."""

    def forget(self, session: str) -> None:
        """Have nothing to let go of."""

    def kept(self, session: str, pid: int) -> int | None:  # noqa: ARG002
        """Return nothing."""
        return None


class Listens(Protocol):
    """Who hears what harnesses print; `ought_to_leave` is called for a session that has told its result."""

    ought_to_leave: Callable[[str], bool]

    def begin(self, session_id: str) -> None:
        """Listen to a session whose harness runs."""

    async def catch_up(self, session_id: str) -> None:
        """Hear what a session has printed until now."""

    async def finish(self, session_id: str) -> Told | None:
        """Hear a session out that is over, and return its last word."""

    def shown(self, session: Session) -> dict[str, Any] | None:
        """Return what was heard of a living session, fit to be shown."""

    def masks(self, session: Session) -> Masks:
        """Return what hides the secrets of a session in its words."""


class HearsNothing:
    """Nobody listens: exit codes are all there is."""

    def __init__(self) -> None:
        self.ought_to_leave: Callable[[str], bool] = lambda _session: True

    def begin(self, session_id: str) -> None:
        """Let it talk."""

    async def catch_up(self, session_id: str) -> None:
        """Hear nothing."""

    async def finish(self, session_id: str) -> Told | None:  # noqa: ARG002
        """Have heard nothing."""
        return None

    def shown(self, session: Session) -> dict[str, Any] | None:  # noqa: ARG002
        """Have nothing to show."""
        return None

    def masks(self, session: Session) -> Masks:  # noqa: ARG002
        """Know the shapes of keys."""
        return Masks()
