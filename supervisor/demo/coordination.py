"""Whom the agent asks before it writes a file: the notice board, or the supervisor. All else is the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from supervisor.demo.board import Board
from supervisor.world.control.client import Client, Refused


class Coordination(Protocol):
    """Leases as a session sees them. Both questions return what is in the way, or None when all is granted."""

    def ask(self, paths: Sequence[str]) -> str | None:
        """Ask for paths, all or none, and answer at once."""

    def wait(self, paths: Sequence[str], seconds: float) -> str | None:
        """Wait for paths for at most `seconds`."""

    def release(self) -> None:
        """Give back everything."""


class Advisory:
    """The notice board: to wait is to look again later."""

    def __init__(self, board: Board, session: str) -> None:
        self._board = board
        self._session = session

    def ask(self, paths: Sequence[str]) -> str | None:
        """Look at the board, and write our name there if nobody else's is."""
        return self._board.acquire(paths, self._session)

    def wait(self, paths: Sequence[str], seconds: float) -> str | None:
        """Back off, then look again."""
        time.sleep(seconds)
        return self.ask(paths)

    def release(self) -> None:
        """Take our name off the board."""
        self._board.release(self._session)


class Supervised:
    """The supervisor: a request waits in its queue and is answered when its turn has come.

    The supervisor knows until when it makes sense to wait (leases end with their sessions), so the
    agent's own patience is not asked for.
    """

    LIMIT = 60.0  # seconds

    def __init__(self, socket: str, token: str) -> None:
        self._client = Client(socket, token, timeout=self.LIMIT + 30.0)

    def ask(self, paths: Sequence[str]) -> str | None:
        """Ask the supervisor."""
        return self._acquire(paths, 0.0)

    def wait(self, paths: Sequence[str], seconds: float) -> str | None:  # noqa: ARG002  - see the class
        """Stand in the supervisor's queue."""
        return self._acquire(paths, self.LIMIT)

    def release(self) -> None:
        """Give everything back; the end of the session would do it too."""
        self._client.call("lease.release")

    def _acquire(self, paths: Sequence[str], wait: float) -> str | None:
        try:
            self._client.call("lease.acquire", paths=list(paths), wait=wait)
        except Refused as refusal:
            return _in_the_way(refusal)
        return None


def _in_the_way(refusal: Refused) -> str:
    """Return the first holder that a refusal names, in as few words as the board has; else all it says."""
    holders = refusal.data.get("holders") if isinstance(refusal.data, dict) else None
    if not holders:
        return refusal.message
    return f"{holders[0]['scope']} is held by session {holders[0]['holder']}"
