"""The control server over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from supervisor.world.control.access import Access, Credentials
from supervisor.world.control.errors import Code, ListenError
from supervisor.world.control.later import Later
from supervisor.world.control.lines import MAX_LINE
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.control.server import serving
from supervisor.world.control.subscription import Stream, Subscription

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BOUND = 60.0  # seconds that anything here may take


class Text(Params):
    text: str = ""


@dataclass
class House:
    """What the methods under test leave behind."""

    path: Path
    waits: asyncio.Queue[Later] = field(default_factory=asyncio.Queue)
    gone: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    events: Subscription = field(default_factory=Subscription)

    def methods(self) -> list[Method[Any]]:
        return [
            Method("echo", Text, lambda _, params: params.text, Who.ANYONE),
            Method("wait", Text, lambda _, params: self._wait(params.text), Who.ANYONE),
            Method("events", Params, lambda *_: Stream(self.events), Who.ANYONE),
            Method("flood", Params, lambda *_: "x" * 100_000, Who.ANYONE),
        ]

    def _wait(self, name: str) -> Later:
        later = Later(on_gone=lambda: self.gone.put_nowait(name))
        self.waits.put_nowait(later)
        return later


class Talk:
    """A client that can also misbehave."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.reader.readline(), BOUND)
        assert line, "the server hung up"
        message: dict[str, Any] = json.loads(line)
        return message

    async def end(self) -> bytes:
        """Return what still comes until the server hangs up."""
        return await asyncio.wait_for(self.reader.read(), BOUND)

    def say(self, method: str, ident: int = 1, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def ask(self, method: str, **params: Any) -> Any:
        self.say(method, **params)
        return (await self.hear())["result"]


@contextlib.asynccontextmanager
async def talking(path: Path) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_unix_connection(path, limit=16 * MAX_LINE)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "run" / "control.sock")


async def test_garbage_is_answered_and_the_connection_lives(house: House) -> None:
    async with serving(house.path, house.methods()), talking(house.path) as talk:
        talk.writer.write(b"\x00\xff garbage\n")

        assert (await talk.hear())["error"]["code"] == Code.PARSE
        assert await talk.ask("echo", text="hi") == "hi"


async def test_a_request_in_pieces_and_requests_in_one_piece_are_answered(house: House) -> None:
    async with (
        serving(house.path, house.methods()),
        talking(house.path) as talk,
        talking(house.path) as other,
    ):
        talk.writer.write(b'{"jsonrpc":"2.0","id":1,"method":"ec')
        assert await other.ask("echo", text="whole") == "whole"  # so the piece has been read by now
        talk.writer.write(b'ho","params":{"text":"a"}}\n{"jsonrpc":"2.0","id":2,"method":"echo"}\n')

        assert [(m["id"], m["result"]) for m in [await talk.hear(), await talk.hear()]] == [(1, "a"), (2, "")]


async def test_a_line_that_is_too_long_is_refused_and_the_connection_closed(house: House) -> None:
    async with serving(house.path, house.methods()):
        async with talking(house.path) as talk:
            talk.writer.write(b"x" * (MAX_LINE + 1))

            assert (await talk.hear())["error"]["code"] == Code.PARSE
            assert await talk.end() == b""
        async with talking(house.path) as talk:
            assert await talk.ask("echo", text="still here") == "still here"


async def test_a_line_just_below_the_limit_passes_both_ways(house: House) -> None:
    text = "x" * (MAX_LINE - 200)
    async with serving(house.path, house.methods()), talking(house.path) as talk:
        assert text == await talk.ask("echo", text=text)


async def test_a_client_that_stops_reading_is_dropped_and_others_are_served(house: House) -> None:
    async with serving(house.path, house.methods()), talking(house.path) as other:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await loop.sock_connect(deaf, str(house.path))
            line = b'{"jsonrpc":"2.0","id":1,"method":"flood"}\n'
            with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012  - some send will be the one
                async with asyncio.timeout(BOUND):
                    while True:
                        await loop.sock_sendall(deaf, line * 10)
        assert await other.ask("echo", text="hi") == "hi"


async def test_a_subscriber_that_stops_reading_is_dropped_and_leaves_the_stream(house: House) -> None:
    async with serving(house.path, house.methods()), talking(house.path) as other:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await loop.sock_connect(deaf, str(house.path))
            await loop.sock_sendall(deaf, b'{"jsonrpc":"2.0","id":1,"method":"events"}\n')
            await other.ask("events")
            assert len(house.events) == 2
            for number in range(100):
                house.events.publish({"n": number, "filler": "x" * 100_000})
                assert number == (await other.hear())["params"]["n"]
        assert len(house.events) == 1


async def test_events_of_one_tick_reach_every_subscriber_in_order(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serving(house.path, house.methods()))
        talks = [await stack.enter_async_context(talking(house.path)) for _ in range(3)]
        for talk in talks:
            await talk.ask("events")
        for number in range(50):
            house.events.publish(number)

        for talk in talks:
            assert list(range(50)) == [(await talk.hear())["params"] for _ in range(50)]


async def test_256_clients_are_served_at_once(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serving(house.path, house.methods()))
        talks = [await stack.enter_async_context(talking(house.path)) for _ in range(256)]
        for number, talk in enumerate(talks):
            talk.say("echo", text=str(number))

        assert [str(n) for n in range(256)] == [(await talk.hear())["result"] for talk in talks]


async def test_a_long_pipeline_is_answered_whole(house: House) -> None:
    async with serving(house.path, house.methods()), talking(house.path) as talk:
        for number in range(5000):
            talk.say("echo", number, text=str(number))

        assert list(range(5000)) == [(await talk.hear())["id"] for _ in range(5000)]


async def test_leaving_while_waiting_cancels_the_wait(house: House) -> None:
    async with serving(house.path, house.methods()):
        async with talking(house.path) as talk:
            talk.say("wait", text="a lease")
            later = await asyncio.wait_for(house.waits.get(), BOUND)

        assert await asyncio.wait_for(house.gone.get(), BOUND) == "a lease"
        assert not later.answer("too late")


async def test_a_client_that_only_stopped_writing_still_gets_what_it_waits_for(house: House) -> None:
    async with serving(house.path, house.methods()), talking(house.path) as talk:
        talk.say("wait")
        talk.writer.write_eof()
        later = await asyncio.wait_for(house.waits.get(), BOUND)
        async with talking(house.path) as other:
            await other.ask("echo")  # so the end of the first one's requests has been read
        assert later.answer("granted")

        assert (await talk.hear())["result"] == "granted"
        assert await talk.end() == b""


async def test_a_client_that_stopped_writing_and_then_left_is_noticed(house: House) -> None:
    async with serving(house.path, house.methods()):
        async with talking(house.path) as talk:
            talk.say("wait", text="a lease")
            talk.writer.write_eof()
            await asyncio.wait_for(house.waits.get(), BOUND)

        assert await asyncio.wait_for(house.gone.get(), BOUND) == "a lease"


async def test_another_user_gets_one_line_and_is_shown_out(house: House) -> None:
    stranger = Access(credentials=lambda _: Credentials(pid=1, uid=os.geteuid() + 1))
    async with serving(house.path, house.methods(), access=stranger), talking(house.path) as talk:
        error = (await talk.hear())["error"]

        assert error["code"] == Code.DENIED
        assert f"user {os.geteuid() + 1} may not use this socket" in error["message"]
        assert await talk.end() == b""


async def test_root_is_let_in(house: House) -> None:
    root = Access(credentials=lambda _: Credentials(pid=1, uid=0))
    async with serving(house.path, house.methods(), access=root), talking(house.path) as talk:
        assert await talk.ask("echo", text="hi") == "hi"


async def test_the_callers_pid_is_the_kernels_word(house: House) -> None:
    async def pids() -> object:
        async with talking(house.path) as talk:
            return await talk.ask("pid")

    pid = Method("pid", Params, lambda caller, _: caller.pid, Who.ANYONE)
    async with serving(house.path, [pid]):
        assert os.getpid() == await pids()


async def test_the_socket_is_the_owners_alone(house: House) -> None:
    before = os.umask(0)
    try:
        async with serving(house.path, house.methods()):
            assert stat.S_IMODE(house.path.stat().st_mode) == 0o600
            assert stat.S_IMODE(house.path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


async def test_a_directory_that_others_may_write_is_refused(house: House) -> None:
    house.path.parent.mkdir()
    house.path.parent.chmod(0o777)

    with pytest.raises(
        ListenError, match=r"others may write to this directory; use one of your own, mode 0700"
    ):
        async with serving(house.path, house.methods()):
            pass


async def test_a_place_for_sockets_that_is_no_folder_is_refused_in_one_line(house: House) -> None:
    house.path.parent.write_text("a file")

    with pytest.raises(ListenError, match=r"cannot be used for sockets \(File exists\); make it a folder"):
        async with serving(house.path, house.methods()):
            pass


async def test_a_second_server_is_refused_and_told_the_firsts_pid(house: House) -> None:
    async with serving(house.path, house.methods()):
        with pytest.raises(ListenError, match=rf"already running there \(pid {os.getpid()}\)"):
            async with serving(house.path, house.methods()):
                pass
        async with talking(house.path) as talk:
            assert await talk.ask("echo", text="unharmed") == "unharmed"


async def test_a_stranger_that_answers_on_the_path_is_not_pushed_aside(house: House) -> None:
    house.path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(house.path))
        stranger.listen()
        with pytest.raises(ListenError, match=rf"already running there \(pid {os.getpid()}\)"):
            async with serving(house.path, house.methods()):
                pass


async def test_a_file_on_the_path_is_left_alone(house: House) -> None:
    house.path.parent.mkdir(mode=0o700)
    house.path.write_text("mine")

    with pytest.raises(ListenError, match="is not a socket; move it away"):
        async with serving(house.path, house.methods()):
            pass

    assert house.path.read_text() == "mine"


async def test_the_socket_of_a_server_that_was_killed_is_taken_over(house: House) -> None:
    program = (
        "import anyio, sys\n"
        "from pathlib import Path\n"
        "from supervisor.world.control.loop import LOOP\n"
        "from supervisor.world.control.server import serving\n"
        "async def main():\n"
        "    async with serving(Path(sys.argv[1]), []):\n"
        "        print('ready', flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main, backend_options=LOOP)\n"
    )
    argv = [sys.executable, "-c", program, str(house.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:  # noqa: ASYNC220  - starts within a millisecond
        assert server.stdout is not None
        assert await asyncio.to_thread(server.stdout.readline) == b"ready\n"
        with pytest.raises(ListenError, match=rf"\(pid {server.pid}\)"):
            async with serving(house.path, house.methods()):
                pass
        server.kill()
        await asyncio.to_thread(server.wait, BOUND)

    assert house.path.is_socket()

    async with serving(house.path, house.methods()), talking(house.path) as talk:
        assert await talk.ask("echo", text="new") == "new"


async def test_closing_answers_those_who_wait_and_removes_the_socket(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(contextlib.AsyncExitStack())
        await server.enter_async_context(serving(house.path, house.methods()))
        talk = await stack.enter_async_context(talking(house.path))
        idle = await stack.enter_async_context(talking(house.path))
        talk.say("wait", text="a lease")
        await asyncio.wait_for(house.waits.get(), BOUND)
        await asyncio.wait_for(server.aclose(), BOUND)

        error = (await talk.hear())["error"]
        assert (
            error["code"],
            error["message"],
        ) == (Code.TRY_LATER, "the supervisor is stopping; ask again when it is back")
        assert house.gone.get_nowait() == "a lease"
        assert await talk.end() == b""
        assert await idle.end() == b""
        assert not house.path.exists()


async def test_a_socket_that_somebody_put_in_our_place_is_not_removed(house: House) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        async with serving(house.path, house.methods()):
            house.path.unlink()
            other.bind(str(house.path))

        assert house.path.is_socket()


async def test_a_listening_socket_that_was_handed_over_is_served_and_left(house: House) -> None:
    house.path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(house.path))
        listener.listen()
        for _ in range(2):
            async with serving(house.path, house.methods(), listener=listener), talking(house.path) as talk:
                assert await talk.ask("echo", text="hi") == "hi"

        assert house.path.is_socket()


async def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    house = House(tmp_path / ("d" * 150) / "control.sock")
    async with serving(house.path, house.methods()):
        assert house.path.is_socket()

    assert not house.path.exists()


async def test_no_descriptor_outlives_the_server(house: House) -> None:
    before = _descriptors()
    async with serving(house.path, house.methods()):
        for _ in range(5):
            async with talking(house.path) as talk:
                await talk.ask("echo")

    assert before == _descriptors()


async def test_out_of_descriptors_it_pauses_and_then_lets_the_waiting_in(house: House) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(house.path, house.methods()), talking(house.path) as first:
        await first.ask("echo")
        with socket.socket(socket.AF_UNIX) as second:
            second.settimeout(BOUND)
            resource.setrlimit(resource.RLIMIT_NOFILE, (second.fileno() + 1, hard))
            try:
                second.connect(str(house.path))
                assert await first.ask("echo", text="served") == "served"
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            second.sendall(b'{"jsonrpc":"2.0","id":1,"method":"echo"}\n')
            answer = await asyncio.to_thread(second.recv, 1000)

        assert json.loads(answer)["result"] == ""
