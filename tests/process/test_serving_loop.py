"""The supervisor's event loop: clients are served while it waits, and nothing of its own comes late for that."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from supervisor.world.control.loop import LOOP, ServingLoop, serving_loop
from supervisor.world.control.poller import READ

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BOUND = 60.0  # seconds that anything here may take


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class Client:
    """Takes whatever arrives, and does `deed` for it."""

    def __init__(self, sock: socket.socket, deed: Any) -> None:
        self.sock, self.deed = sock, deed
        self.loop = serving_loop()
        self.loop.poller.add(sock.fileno(), READ, self.ready)

    def ready(self, _mask: int) -> None:
        if data := self.sock.recv(65536):
            self.deed(data)

    def leave(self) -> None:
        self.loop.poller.remove(self.sock.fileno())


async def test_what_a_client_schedules_is_done_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    done = asyncio.Event()
    client = Client(pair[0], lambda _data: done.set())

    threading.Thread(target=pair[1].send, args=(b"x",)).start()  # the loop has nothing to do but to wait

    async with asyncio.timeout(BOUND):
        await done.wait()
    client.leave()


async def test_a_task_or_timer_that_a_client_starts_is_begun_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def work() -> None:
        await told.put("task")

    async with anyio.create_task_group() as group, asyncio.timeout(BOUND):

        def begin(_data: bytes) -> None:
            group.start_soon(work)
            asyncio.get_running_loop().call_later(0.001, told.put_nowait, "timer")

        client = Client(pair[0], begin)
        threading.Thread(target=pair[1].send, args=(b"x",)).start()
        assert {await told.get(), await told.get()} == {"task", "timer"}
        client.leave()


async def test_a_client_that_never_pauses_holds_nobody_up(pair: tuple[socket.socket, socket.socket]) -> None:
    served = 0

    def again(_data: bytes) -> None:
        nonlocal served
        served += 1
        pair[1].send(b"x")  # the next one is there before the loop looks

    client = Client(pair[0], again)
    pair[1].send(b"x")
    async with asyncio.timeout(BOUND):
        await asyncio.sleep(0.01)
        assert await asyncio.to_thread(lambda: "thread") == "thread"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.send(b"y")
            await anyio.wait_readable(ours)
    assert served > 0
    client.leave()


async def test_a_signal_and_another_thread_wake_it(pair: tuple[socket.socket, socket.socket]) -> None:
    client = Client(pair[0], lambda _data: None)
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, woken.set)
    try:
        async with asyncio.timeout(BOUND):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
            await woken.wait()
            woken.clear()
            threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,)).start()
            await woken.wait()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
    client.leave()


async def test_the_fault_of_one_client_is_told_and_ends_nothing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    loop, told, done = asyncio.get_running_loop(), [], asyncio.Event()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))

    def fail(data: bytes) -> None:
        if data == b"bad":
            done.set()
            raise ValueError("a fault")
        done.set()

    client = Client(pair[0], fail)
    async with asyncio.timeout(BOUND):
        for word in (b"bad", b"good"):
            done.clear()
            pair[1].send(word)
            await done.wait()
    assert [str(error) for error in told] == ["a fault"]
    client.leave()


async def test_what_cannot_be_said_to_one_client_is_said_to_the_next() -> None:
    loop, told, said = asyncio.get_running_loop(), [], asyncio.Event()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))

    class Talker:
        def __init__(self, deed: Any) -> None:
            self.flush = deed

    def fail() -> None:
        raise ValueError("a fault")

    for deed in (fail, said.set):
        serving_loop().poller.flush_later(Talker(deed))

    async with asyncio.timeout(BOUND):
        await said.wait()
    assert [str(error) for error in told] == ["a fault"]


async def test_what_one_client_leaves_to_say_to_another_is_said_before_the_loop_waits() -> None:
    poller, said = serving_loop().poller, asyncio.Event()

    class Talker:
        def __init__(self, deed: Any) -> None:
            self.flush = deed

    poller.flush_later(Talker(lambda: poller.flush_later(Talker(said.set))))

    async with asyncio.timeout(BOUND):
        await said.wait()


async def test_clients_are_served_in_the_context_of_who_added_the_first(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    name.set("the server")
    heard: asyncio.Queue[str] = asyncio.Queue()
    client = Client(pair[0], lambda _data: heard.put_nowait(name.get()))

    pair[1].send(b"x")

    async with asyncio.timeout(BOUND):
        assert await heard.get() == "the server"
    client.leave()


async def test_what_is_left_to_say_is_said_before_the_loop_waits() -> None:
    said = asyncio.Event()

    class Talker:
        def flush(self) -> None:
            said.set()

    serving_loop().poller.flush_later(Talker())

    async with asyncio.timeout(BOUND):
        await said.wait()


async def test_a_socket_is_served_in_no_other_loop() -> None:
    async def here() -> bool:
        return isinstance(serving_loop(), ServingLoop)

    assert await asyncio.to_thread(lambda: anyio.run(here, backend_options=LOOP))
    with pytest.raises(RuntimeError, match="served by a ServingLoop alone"):
        await asyncio.to_thread(lambda: anyio.run(here))
