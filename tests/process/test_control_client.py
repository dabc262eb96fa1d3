"""The synchronous client against the real server, and against none."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervisor.world.control.access import Access, Credentials
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.client import Client, Refused, Unreachable
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.control.server import serving
from supervisor.world.control.subscription import Stream, Subscription

pytestmark = pytest.mark.process

BOUND = 60.0


class Text(Params):
    text: str = ""


def _refuse(*_: object) -> object:
    raise RpcError(Code.REFUSED, "src/a.py is held by s1", {"holder": "s1"})


def _name(caller: Caller, _: Params) -> str:
    return caller.session if isinstance(caller, SessionCaller) else "operator"


async def served(path: Path, visit: Callable[[], Any], access: Access | None = None) -> Any:
    """Return what `visit` returns, called in a thread while a server runs."""
    events = Subscription()
    methods: list[Method[Any]] = [
        Method("echo", Text, lambda _, params: params.text, Who.ANYONE),
        Method("refuse", Params, _refuse, Who.ANYONE),
        Method("name", Params, _name, Who.ANYONE),
        Method("events", Params, lambda *_: Stream(events, None, [1, 2, 3]), Who.ANYONE),
    ]
    async with serving(path, methods, access=access):
        return await asyncio.wait_for(asyncio.to_thread(visit), BOUND)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.mark.asyncio
async def test_a_call_returns_its_result_and_the_connection_is_kept(path: Path) -> None:
    def visit() -> list[str]:
        with Client(path, timeout=BOUND) as client:
            return [client.call("echo", text=text) for text in ("a", "é", "x" * 200_000)]

    assert await served(path, visit) == ["a", "é", "x" * 200_000]


@pytest.mark.asyncio
async def test_a_refusal_is_raised_with_code_message_and_reason(path: Path) -> None:
    def visit() -> None:
        with Client(path, timeout=BOUND) as client:
            with pytest.raises(Refused) as refused:
                client.call("refuse")

            assert refused.value.code == Code.REFUSED
            assert str(refused.value) == "src/a.py is held by s1"
            assert refused.value.data == {"holder": "s1"}
            assert client.call("echo", text="still") == "still"

    await served(path, visit)


@pytest.mark.asyncio
async def test_the_token_goes_with_every_call(path: Path) -> None:
    def visit() -> list[str]:
        with Client(path, "secret", BOUND) as inside, Client(path, timeout=BOUND) as outside:
            return [inside.call("name"), inside.call("name"), outside.call("name")]

    assert await served(path, visit, Access(resolve={"secret": "s1"}.get)) == ["s1", "s1", "operator"]


@pytest.mark.asyncio
async def test_a_stream_yields_events_until_the_supervisor_hangs_up(path: Path) -> None:
    def visit() -> list[int]:
        with Client(path, timeout=BOUND) as client:
            stream = client.stream("events")
            return [next(stream) for _ in range(3)]

    assert await served(path, visit) == [1, 2, 3]


@pytest.mark.asyncio
async def test_a_stream_says_that_the_supervisor_went_away(path: Path) -> None:
    joined = threading.Event()

    def listen() -> list[int]:
        heard = []
        with (  # noqa: PT012  - raised by the loop, at its end
            Client(path, timeout=BOUND) as client,
            pytest.raises(Unreachable, match="it hung up"),
        ):
            for event in client.stream("events"):
                heard.append(event)
                if len(heard) == 3:
                    joined.set()
        return heard

    stream = Stream(Subscription(), None, [1, 2, 3])
    async with serving(path, [Method("events", Params, lambda *_: stream, Who.ANYONE)]):
        heard = asyncio.ensure_future(asyncio.to_thread(listen))
        await asyncio.to_thread(joined.wait, BOUND)

    assert await asyncio.wait_for(heard, BOUND) == [1, 2, 3]


@pytest.mark.asyncio
async def test_a_stranger_reads_why_it_is_shown_out(path: Path) -> None:
    def visit() -> None:
        with Client(path, timeout=BOUND) as client, pytest.raises(Refused, match="may not use this socket"):
            client.call("echo", text="x" * 500_000)

    await served(path, visit, Access(credentials=lambda _: Credentials(pid=1, uid=os.geteuid() + 1)))


def test_without_a_supervisor_the_error_names_the_path_and_why(path: Path) -> None:
    with pytest.raises(Unreachable) as unreachable:
        Client(path).call("echo")

    assert f"no supervisor on {path}: none is running there" == str(unreachable.value)


def test_a_supervisor_that_died_is_told_from_one_that_never_was(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with pytest.raises(Unreachable, match="its supervisor is gone"):
        Client(path).call("echo")


def test_a_supervisor_that_does_not_answer_is_given_up_after_the_timeout(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(Unreachable, match=r"did not answer within 0\.05 s"):
            Client(path, timeout=0.05).call("echo")


def test_a_supervisor_that_stands_still_is_named_with_what_lets_it_go_on(path: Path) -> None:
    listener = f"""
import os, signal, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind({str(path)!r})
listener.listen()
print(flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
    with subprocess.Popen([sys.executable, "-c", listener], stdout=subprocess.PIPE) as stopped:
        try:
            assert stopped.stdout is not None
            stopped.stdout.readline()
            os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
            with pytest.raises(
                Unreachable, match=f"pid {stopped.pid}, did not answer .*stopped by a signal"
            ) as told:
                Client(path, timeout=0.05).call("echo")
            assert told.value.way_out == f"`kill -CONT {stopped.pid}` lets it go on"
        finally:
            stopped.kill()


@pytest.mark.asyncio
async def test_a_path_longer_than_a_socket_address_is_reached(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 150) / "control.sock"

    def visit() -> str:
        with Client(long, timeout=BOUND) as client:
            result: str = client.call("echo", text="far")
            return result

    assert await served(long, visit) == "far"


def test_importing_the_client_imports_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, supervisor.world.control.client\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} "
        "- set(sys.stdlib_module_names) - {'__main__', 'supervisor', 'workers'}))"
    )
    clean = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=BOUND
    )
    bare = subprocess.run(
        [sys.executable, "-I", "-c", program.replace(", supervisor.world.control.client", "")],
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND,
    )

    assert bare.stdout == clean.stdout


@pytest.mark.asyncio
async def test_a_verb_says_in_one_line_that_the_supervisor_is_from_before_an_upgrade(path: Path) -> None:
    def ask() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "supervisor.cli.main", "status"]
        environ = os.environ | {"LEASEHOLD_SOCKET": str(path)}
        return subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=BOUND
        )

    async with serving(path, [Method("status", Params, lambda *_: {"version": "0.0.9"}, Who.ANYONE)]):
        said = await asyncio.wait_for(asyncio.to_thread(ask), BOUND)

    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.startswith(
        "leasehold: the answer of the supervisor (0.0.9) has no 'slots', which this command ("
    )
    assert said.stderr.endswith("it started before an upgrade; restart it (sessions go on)\n")
    assert said.stderr.count("\n") == 1
