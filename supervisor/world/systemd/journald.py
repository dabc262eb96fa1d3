"""Log lines as journald keeps them: a sentence for people, and each value as a field of its own.

`journalctl LEASEHOLD_SESSION=ID` then finds all that was said of a session.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import re
import socket
import struct
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

SOCKET = "/run/systemd/journal/socket"
_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_TOO_BIG = {errno.EMSGSIZE, errno.ENOBUFS}
_NAME_MAX = 64  # characters of a field's name
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is the connection to journald that systemd opened for this process."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False  # a stream without a descriptor, or one that was closed
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class JournalSocket:
    """Sends entries to journald. Where that fails, the sentence goes to `fallback` as a line."""

    __slots__ = ("_address", "_fallback", "_sock")

    def __init__(self, fallback: TextIO, address: str | None = None) -> None:
        self._address = address or SOCKET
        self._fallback = fallback
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __call__(self, *_args: Any) -> JournalSocket:
        """Be the logger that structlog asks for."""
        return self

    def msg(self, message: str, **fields: str) -> None:
        """Send one entry; `message` is its MESSAGE."""
        data = entry({"MESSAGE": message, **fields})
        try:
            self._send(data)
        except OSError:
            # journald restarts or cannot keep up; the stream of standard error is buffered by the kernel.
            print(message, file=self._fallback, flush=True)

    debug = info = warning = error = critical = msg

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendto(data, self._address)
        except OSError as error:
            if error.errno not in _TOO_BIG:
                raise
            self._send_file(data)

    def _send_file(self, data: bytes) -> None:
        """Send an entry that no datagram holds, as a sealed file in memory."""
        fd = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(fd, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            self._sock.sendmsg([], rights, 0, self._address)


def to_fields(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, str]]:
    """Be structlog's last processor: one sentence, and the fields of an entry."""
    level = str(event.pop("level", "info"))
    said = str(event.pop("event", ""))
    told = [f"{name}={_shown(value)}" for name, value in event.items() if "\n" not in str(value)]
    trace = [str(value) for value in event.values() if "\n" in str(value)]
    fields = {
        "PRIORITY": str(_PRIORITY.get(level, 6)),
        "SYSLOG_IDENTIFIER": "leasehold",
        "LEASEHOLD_EVENT": said,
        **{field_name(name): _shown(value) for name, value in event.items()},
    }
    return ("\n".join([" ".join([said, *told]), *trace]),), fields


def field_name(name: str) -> str:
    """Return the name of journald's field for a value: upper case, and nothing that it would refuse."""
    return f"LEASEHOLD_{re.sub('[^A-Z0-9_]', '_', name.upper())}"[:_NAME_MAX]


def entry(fields: Mapping[str, str]) -> bytes:
    """Return an entry in journald's native protocol; a value with line breaks goes with its length."""
    parts: list[bytes] = []
    for name, text in fields.items():
        value = text.encode("utf-8", "backslashreplace")
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
