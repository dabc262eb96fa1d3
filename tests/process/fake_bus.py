"""A message bus with a service manager behind it, as far as the supervisor speaks to one; in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    Parser,
    new_error,
    new_method_return,
    new_signal,
)

MANAGER = DBusAddress(
    "/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager"
)
Answer = tuple[str, tuple[Any, ...]]


class RefusedError(Exception):
    """The manager answers with an error of this name."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(told)
        self.name = name


@dataclass
class FakeManager:
    """Units by name with their properties. `on_start` is called with the unit's name and returns the job's result."""

    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    template: Callable[[str], dict[str, Any]] | None = None  # makes the units that are asked for
    on_start: Callable[[str], str | None] = lambda _: "done"
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    silent: frozenset[str] = frozenset()  # methods that are never answered
    _jobs: int = 0

    def call(self, method: str, path: str, body: tuple[Any, ...]) -> tuple[Answer, list[Message]]:
        """Return the answer, and the signals that come before and after it, in that order."""
        self.calls.append((method, body))
        match method:
            case "Hello":
                return ("s", (":1.7",)), []
            case "AddMatch" | "Subscribe":
                return ("", ()), []
            case "GetUnit" | "LoadUnit":
                if body[0] not in self.units and self.template is not None:
                    self.units[body[0]] = self.template(body[0])
                if body[0] not in self.units:
                    raise RefusedError("org.freedesktop.systemd1.NoSuchUnit", f"Unit {body[0]} not loaded.")
                return ("o", (_path(body[0]),)), []
            case "GetAll":
                found = next(values for name, values in self.units.items() if _path(name) == path)
                return ("a{sv}", (found["of " + body[0].rpartition(".")[2]],)), []
            case "StartUnit" | "StopUnit":
                return self._job(method, body[0])
            case "ListUnitsByPatterns":
                rows = [(name, "", "", "", "", "", "/", 0, "", "/") for name in self.units]
                return ("a(ssssssouso)", (rows,)), []
            case "KillUnit" | "ResetFailedUnit" | "SetUnitProperties":
                return ("", ()), []
        raise RefusedError("org.freedesktop.DBus.Error.UnknownMethod", method)

    def _job(self, method: str, unit: str) -> tuple[Answer, list[Message]]:
        self._jobs += 1
        job = f"/org/freedesktop/systemd1/job/{self._jobs}"
        if method == "StopUnit":
            self.units.pop(unit, None)
            result: str | None = "done"
        else:
            result = self.on_start(unit)
        signals = []
        if result is not None:
            body = (self._jobs, job, unit, result)
            signals.append(new_signal(MANAGER, "JobRemoved", "uoss", body))
        return ("o", (job,)), signals


def unit(
    *, active: str = "active", result: str = "success", code: int = 0, status: int = 0, **more: Any
) -> dict[str, Any]:
    """Return what a manager says of a service."""
    command = more.get("command", ["/usr/bin/python", "session"])
    return {
        "of Unit": {
            "LoadState": ("s", more.get("load", "loaded")),
            "ActiveState": ("s", active),
            "SubState": ("s", "running"),
        },
        "of Service": {
            "MainPID": ("u", 0),
            "Result": ("s", result),
            "ExecMainCode": ("i", code),
            "ExecMainStatus": ("i", status),
            "ControlGroup": ("s", ""),
            "User": ("s", more.get("user", "")),
            "ExecStart": ("a(sasbttttuii)", [(command[0], command, False, 0, 0, 0, 0, 0, 0, 0)]),
        },
    }


class FakeBus:
    """Listens at `path`. With `early` the signals of a call come before its answer; they may, on a real bus."""

    def __init__(self, path: Path, manager: FakeManager, *, early: bool = False) -> None:
        self.address = f"unix:path={path}"
        self.manager = manager
        self.early = early
        self.connections: list[asyncio.Transport] = []
        self._path = path
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await asyncio.sleep(0)  # for the loop to see them closed

    def hang_up(self) -> None:
        """Close every connection."""
        for transport in self.connections:
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus
        self._greeted = b""
        self._parser: Parser | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._bus.connections.append(transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._greet(data)
            return
        self._parser.add_data(data)
        while (message := self._parser.get_next_message()) is not None:
            for answer in self._answers(message):
                self._transport.write(answer)

    def _greet(self, data: bytes) -> None:
        self._greeted += data
        _, begin, rest = self._greeted.partition(b"BEGIN\r\n")
        if begin:
            self._parser = Parser()
            self.data_received(rest)
        elif self._greeted.startswith(b"\0AUTH EXTERNAL") and self._greeted.endswith(b"\r\n"):
            self._transport.write(b"OK 0123456789abcdef0123456789abcdef\r\n")

    def _answers(self, message: Message) -> list[bytes]:
        fields = message.header.fields
        method = fields[HeaderFields.member]
        if message.header.message_type is not MessageType.method_call or method in self._bus.manager.silent:
            return []
        signals: list[Message] = []
        try:
            (signature, body), signals = self._bus.manager.call(
                method, fields[HeaderFields.path], message.body
            )
            answer = new_method_return(message, signature or None, body)
        except RefusedError as error:
            answer = new_error(message, error.name, "s", (str(error),))
        whole = [*signals, answer] if self._bus.early else [answer, *signals]
        return [part.serialise(serial=number + 1) for number, part in enumerate(whole)]


def _path(name: str) -> str:
    return "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
