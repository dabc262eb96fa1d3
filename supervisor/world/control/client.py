"""The client: synchronous, and quick to import, because every command and hook starts with it."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from workers.session.address import connect

_WHY = {
    FileNotFoundError: "none is running there",
    ConnectionRefusedError: "its supervisor is gone",
    NotADirectoryError: "a part of the path is not a directory",
}
_CHUNK = 1 << 16


class Refused(Exception):  # noqa: N818  - an answer of the supervisor, not a fault of the program
    """The supervisor answered with an error; `code` is one of `errors.Code`."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Unreachable(Exception):  # noqa: N818  - a state of the world, not a fault of the program
    """No supervisor answers on the socket; `way_out` says what to do."""

    way_out = "`leasehold run` starts one"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"no supervisor on {path}: {why}")
        self.path = path
        self.why = why


class KeptOut(Unreachable):
    """The socket is there, and this account may not use it."""

    def __init__(self, path: str) -> None:
        why = "this account may not use it"
        super().__init__(path, why)
        self.args = (f"the supervisor on {path} cannot be reached: {why}",)
        self.way_out = _who_may(path)


class Silent(Unreachable):
    """The supervisor is there, and does not answer."""

    def __init__(self, path: str, why: str, pid: int) -> None:
        super().__init__(path, why)
        stopped = _state(pid) in {"T", "t"}
        self.args = (f"the supervisor on {path}, pid {pid}, {why}{': it was stopped by a signal' * stopped}",)
        self.way_out = f"`kill -CONT {pid}` lets it go on" if stopped else "ask again"


class Client:
    """One connection to a supervisor, made at the first call and kept until `close`.

    `token` is sent with every call, so that the supervisor acts for that session. `timeout` is in seconds
    and bounds each wait for a message; None waits for ever.
    """

    def __init__(
        self, path: str | os.PathLike[str], token: str | None = None, timeout: float | None = None
    ) -> None:
        self._path = os.fspath(path)
        self._token = token
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._buffer = bytearray()
        self._last = 0

    def call(self, method: str, /, **params: Any) -> Any:
        """Call `method` and return its result.

        Raises:
            Refused: the supervisor answered with an error.
            Unreachable: nobody answers there, or not in time.
        """
        self._last += 1
        request = self._last
        if self._token is not None:
            params["token"] = self._token
        message = {"jsonrpc": "2.0", "id": request, "method": method, "params": params}
        self._send(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        while True:
            reply = self._receive()
            # A null id answers a line that could not be read: there is one request under way, this one.
            if "method" not in reply and reply.get("id") in (request, None):
                break
        if "error" in reply:
            error = reply["error"]
            raise Refused(error["code"], error["message"], error.get("data"))
        return reply["result"]

    def stream(self, method: str, /, **params: Any) -> Iterator[Any]:
        """Call a method that subscribes, and yield each event until the supervisor hangs up.

        Raises:
            Refused: the supervisor would not subscribe us.
            Unreachable: nobody answers there, or the supervisor went away.
        """
        self.call(method, **params)
        while True:
            message = self._receive()
            if "method" in message:
                yield message["params"]

    def connection(self) -> socket.socket:
        """Return a connection made anew, for callers with a loop of their own; it is theirs to close.

        Raises:
            Unreachable: nobody answers there.
        """
        self.close()
        sock, self._sock = self._connected(), None
        return sock

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._buffer.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self) -> socket.socket:
        if self._sock is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(self._timeout)
            try:
                connect(sock, self._path)
            except OSError as error:
                sock.close()
                raise self._unreachable(error) from error
            self._sock = sock
        return self._sock

    def _send(self, line: bytes) -> None:
        sock = self._connected()
        try:
            sock.sendall(line)
        except BrokenPipeError:
            pass  # it hung up on us; what it said before that is still to be read
        except OSError as error:
            raise self._unreachable(error) from error

    def _receive(self) -> dict[str, Any]:
        sock = self._connected()
        start = 0
        while (cut := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            try:
                data = sock.recv(_CHUNK)
            except OSError as error:
                raise self._unreachable(error) from error
            if not data:
                self.close()
                raise Unreachable(self._path, "it hung up before it answered")
            self._buffer += data
        message: dict[str, Any] = json.loads(self._buffer[:cut])
        del self._buffer[: cut + 1]
        return message

    def _unreachable(self, error: OSError) -> Unreachable:
        # Whatever comes later on this connection would answer the wrong call.
        pid = _peer(self._sock)
        self.close()
        if isinstance(error, TimeoutError | BlockingIOError):
            why = f"did not answer within {self._timeout:g} s"
            return Silent(self._path, why, pid) if pid > 1 else Unreachable(self._path, f"it {why}")
        if isinstance(error, PermissionError):
            return KeptOut(self._path)
        return Unreachable(
            self._path, _WHY.get(type(error), os.strerror(error.errno) if error.errno else str(error))
        )


def _peer(sock: socket.socket | None) -> int:
    """Return the pid of who listens at the other end; 0 where that cannot be known, 1 is systemd."""
    if sock is None:
        return 0
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return 0
    return int.from_bytes(found[:4], sys.byteorder)


def _state(pid: int) -> str:
    """Return the letter for what a process is at; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(") ")[2][:1]
    except OSError:
        return ""


def _who_may(path: str) -> str:
    import grp  # noqa: PLC0415  - for this one message
    import pwd  # noqa: PLC0415

    try:
        found = os.stat(path)  # noqa: PTH116  - pathlib takes longer to import than a verb to run
        owner = pwd.getpwuid(found.st_uid).pw_name
        group = grp.getgrgid(found.st_gid).gr_name
    except (OSError, KeyError):
        return "whoever started it may"
    if found.st_mode & 0o020:
        return f"{owner} and members of the group {group} may (`usermod -aG {group} NAME` makes one)"
    return f"{owner} may"
