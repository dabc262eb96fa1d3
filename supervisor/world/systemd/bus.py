"""One connection to a message bus. jeepney knows the format; every call here ends, also when the bus hangs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, MessageType, Parser, message_bus, new_method_call
from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.bus import get_connectable_addresses

PATIENCE = 5.0  # seconds for one answer; a service manager gives it within milliseconds

Heard = Callable[[Message], None]


class BusError(Exception):
    """The bus or the service behind it cannot be used; one line says which and why."""


class RefusedError(BusError):
    """A call was answered with an error; `name` is the error's name on the bus."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(told or name)
        self.name = name


def system_bus(environ: Mapping[str, str]) -> str:
    """Return the address of the system's bus."""
    return environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/run/dbus/system_bus_socket"


def user_bus(environ: Mapping[str, str]) -> str:
    """Return the address of the user's bus.

    Raises:
        BusError: the environment does not say where it is.
    """
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return f"unix:path={runtime}/bus"
    raise BusError(
        "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set, so the user's bus is not found"
    )


class Bus(asyncio.Protocol):
    """A connection. `on_signal` is called with each signal that was asked for by `listen`."""

    def __init__(self, address: str, on_signal: Heard) -> None:
        self.address = address
        self._on_signal = on_signal
        self._transport: asyncio.Transport | None = None
        self._authenticator = Authenticator()
        loop = asyncio.get_running_loop()
        self._authenticated: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[BusError] = loop.create_future()  # done once the connection is over
        self._parser = Parser()
        self._serials = count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}

    @classmethod
    async def connect(cls, address: str, on_signal: Heard) -> Bus:
        """Return a connection that has said hello.

        Raises:
            BusError: nobody answers there, or it refuses us.
        """
        try:
            path = next(get_connectable_addresses(address))
        except (RuntimeError, ValueError, StopIteration) as error:
            raise BusError(f"the bus address {address!r} cannot be used: {error}") from error
        bus = cls(address, on_signal)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                await loop.create_unix_connection(lambda: bus, path)
                await bus._authenticated
        except TimeoutError:
            bus.close()
            raise BusError(f"the bus at {path} did not answer within {PATIENCE:g} s") from None
        except OSError as error:
            raise BusError(f"no bus at {path}: {error.strerror or error}") from error
        try:
            await bus.send(message_bus.Hello())
        except BusError:
            bus.close()
            raise
        return bus

    @property
    def open(self) -> bool:
        """Whether it can be spoken to."""
        return self._transport is not None and not self._transport.is_closing()

    async def call(
        self,
        address: DBusAddress,
        method: str,
        signature: str = "",
        *body: Any,
        patience: float | None = None,
    ) -> tuple[Any, ...]:
        """Call a method and return what it answers.

        Raises:
            RefusedError: it answered with an error.
            BusError: no answer came within `patience` seconds (PATIENCE unless given), or the connection is gone.
        """
        return await self.send(new_method_call(address, method, signature or None, body), patience)

    async def listen(self, rule: str) -> None:
        """Have the signals that match a rule delivered.

        Raises:
            BusError: the bus cannot be used.
        """
        await self.send(message_bus.AddMatch(rule))

    async def send(self, message: Message, patience: float | None = None) -> tuple[Any, ...]:
        """Send a method call and return the body of its answer; raises as `call` does."""
        if self._transport is None or not self.open:
            raise BusError(f"the connection to the bus {self.address} is closed")
        patience = PATIENCE if patience is None else patience
        serial = next(self._serials)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[serial] = answer
        member = message.header.fields.get(HeaderFields.member, "")
        self._transport.write(message.serialise(serial))
        try:
            async with asyncio.timeout(patience):
                reply = await answer
        except TimeoutError:
            raise BusError(f"{member} was not answered within {patience:g} s") from None
        finally:
            self._answers.pop(serial, None)
        if reply.header.message_type is MessageType.error:
            name = str(reply.header.fields.get(HeaderFields.error_name, "an error"))
            raise RefusedError(name, str(reply.body[0]) if reply.body else "")
        return tuple(reply.body)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to authenticate (called by the loop)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  - what create_unix_connection makes
        self._transport = transport
        transport.write(self._authenticator.data_to_send() or b"")

    def data_received(self, data: bytes) -> None:
        """Take in what the bus says (called by the loop)."""
        try:
            if self._authenticator.authenticated:
                self._parser.add_data(data)
                while (message := self._parser.get_next_message()) is not None:
                    self._take(message)
            else:
                self._authenticate(data)
        except (ValueError, KeyError, IndexError) as error:
            # AuthenticationError and SizeLimitError are ValueErrors.
            self._fail(BusError(f"{self.address} does not speak as a bus does: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait that no answer will come (called by the loop)."""
        self._transport = None
        error = BusError(f"the connection to the bus {self.address} was lost" + (f": {exc}" if exc else ""))
        if not self.lost.done():
            self.lost.set_result(error)
        self._fail(error)

    def _authenticate(self, data: bytes) -> None:
        try:
            self._authenticator.feed(data)
        except AuthenticationError as error:
            raise ValueError(f"uid {os.geteuid()} is not let in ({error})") from error
        if self._transport is not None and self._authenticator.authenticated:
            self._transport.write(BEGIN)
            if not self._authenticated.done():
                self._authenticated.set_result(None)

    def _take(self, message: Message) -> None:
        if message.header.message_type is MessageType.signal:
            self._on_signal(message)
            return
        answer = self._answers.get(message.header.fields.get(HeaderFields.reply_serial, -1))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _fail(self, error: BusError) -> None:
        for waiting in (self._authenticated, *self._answers.values()):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # looked at: nobody may be waiting any more
