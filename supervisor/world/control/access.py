"""Who may ask what: the token a request shows, and where its process lives."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.world.control.caller import Caller, Operator, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Method, Params, Who

# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_OPERATOR, _SESSION, _ANYONE = Who.OPERATOR, Who.SESSION, Who.ANYONE
_UCRED = struct.Struct("3i")  # pid, uid, gid


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is at the other end, as the kernel saw it when the connection was made."""

    pid: int
    uid: int


def peer_credentials(sock: socket.socket) -> Credentials:
    """Return the peer's credentials from SO_PEERCRED."""
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Credentials(pid, uid)


def nobody(_: object) -> None:
    """Find no session: for a server without sessions."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the server finds out for whom a request speaks.

    `resolve` maps a token to the living session it belongs to. `session_of` says inside which session
    a process (by pid) runs; it may read /proc, so it is asked once per connection, and only when an
    operator's verb comes without a token. `credentials` reads the peer of an accepted socket.
    `guarded` says that the socket's own mode and group decide who gets in, as systemd set them.
    """

    resolve: Callable[[str], str | None] = nobody
    session_of: Callable[[int], str | None] = nobody
    credentials: Callable[[socket.socket], Credentials] = peer_credentials
    guarded: bool = False

    def admits(self, peer: Credentials) -> bool:
        """Whether this user may speak to the server at all: its own user and root may."""
        return self.guarded or peer.uid in {os.geteuid(), 0}


class Peer:
    """One connection's caller, found once and remembered."""

    __slots__ = ("_access", "_acting", "_credentials", "_operator", "_surroundings")

    def __init__(self, access: Access, credentials: Credentials) -> None:
        self._access = access
        self._credentials = credentials
        self._operator = Operator(credentials.uid, credentials.pid)
        self._acting: SessionCaller | None = None
        self._surroundings: list[str | None] = []  # empty until asked, then its one answer

    def caller(self, method: Method[Params], token: str) -> Caller:
        """Return for whom the request speaks.

        Raises:
            RpcError: `Code.DENIED`, naming the verb and the session.
        """
        if token:
            # Resolved at every request: a token dies with its session, whatever connection it came over.
            session = self._access.resolve(token)
            if session is None:
                raise RpcError(Code.DENIED, f"{method.name}: the token belongs to no living session")
            if method.who is _OPERATOR:
                raise _operators_only(method.name, session)
            if self._acting is None or self._acting.session != session:
                self._acting = SessionCaller(session, self._credentials.pid)
            return self._acting
        if method.who is _ANYONE:
            return self._operator
        if method.who is _SESSION:
            raise RpcError(Code.DENIED, f"{method.name} needs a session's token (LEASEHOLD_TOKEN)")
        surroundings = self._inside()
        if surroundings is not None:
            raise _operators_only(method.name, surroundings)
        return self._operator

    def _inside(self) -> str | None:
        if not self._surroundings:
            self._surroundings.append(self._access.session_of(self._credentials.pid))
        return self._surroundings[0]


def _operators_only(method: str, session: str) -> RpcError:
    return RpcError(
        Code.DENIED,
        f"{method} is for operators; session {session} may not call it",
        {"method": method, "session": session},
    )
