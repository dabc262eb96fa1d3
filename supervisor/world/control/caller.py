"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operator:
    """A process of the supervisor's own user (or root) that showed no session's token."""

    uid: int
    pid: int


@dataclass(frozen=True, slots=True)
class SessionCaller:
    """A process that acts for a session, because it showed that session's token."""

    session: str
    pid: int


Caller = Operator | SessionCaller
