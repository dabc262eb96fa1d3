"""The worker's socket: many clients, none of whom can hold up or end a session by accident."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.children.session import PATIENCE, Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path, "ignores_term") as session:
        session.connect()
        session.wait_ready()
        yield session
        with contextlib.suppress(OSError, EOFError):  # a test may have ended it
            session.connect().call("kill")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all the tests that must leave it running."""
    with Session(tmp_path_factory.mktemp("undisturbed"), "ignores_term") as session:
        session.connect()
        session.wait_ready()
        yield session
        assert session.connect().call("kill")["ok"] is True


@pytest.fixture
def undisturbed(lasting: Session) -> Iterator[Session]:
    yield lasting
    lasting.hang_up()


def test_a_client_is_greeted_with_who_the_worker_is_and_how_far_it_is(undisturbed: Session) -> None:
    hello = undisturbed.connect().next()

    known = undisturbed.json("worker.json")
    assert hello["event"] == "hello"
    assert {key: hello[key] for key in known} == known
    assert known["pid"] == undisturbed.pid
    assert known["start_ticks"] == start_ticks(undisturbed.pid)
    assert known["harness"]["start_ticks"] == start_ticks(known["harness"]["pid"])
    assert hello["state"] == "running"
    assert 0 < hello["left"] <= 300


def start_ticks(pid: int) -> int:
    from pathlib import Path

    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_every_client_is_told_and_whoever_asked_gets_the_answer(session: Session) -> None:
    asking, listening = session.connect(), session.connect()

    assert (
        asking.call("stop", cause="preempt", by="supervisor", why="a more urgent task", grace=0.1)["ok"]
        is True
    )

    for client in (asking, listening):
        assert client.event("stopping") == {
            "event": "stopping", "cause": "preempt", "by": "supervisor", "why": "a more urgent task",
        }  # fmt: skip
        assert client.event("exited") == {"event": "exited", "code": None, "signal": 9}
        assert client.event("ended")["record"] == session.wait()
    assert session.record()["cause"] == "preempt"


def test_a_kill_cuts_the_grace_of_a_stop_short_and_both_are_answered(session: Session) -> None:
    first, second = session.connect(), session.connect()
    stop = first.ask("stop", cause="stop", by="anna", grace=600)
    first.event("stopping")

    assert second.call("kill", by="bert")["ok"] is True

    assert first.answer(stop) == {"id": stop, "ok": True}
    assert (session.wait()["cause"], session.wait()["by"]) == ("stop", "anna")


def test_a_second_stop_can_only_shorten_the_grace(session: Session) -> None:
    client = session.connect()
    client.ask("stop", grace=0.5)

    late = client.ask("stop", grace=600)

    assert client.answer(late)["ok"] is True


def test_the_state_says_why_and_how_long_a_stop_still_takes(session: Session) -> None:
    client = session.connect()
    client.ask("stop", by="anna", why="lunch", grace=60)

    state = client.call("state")

    assert (state["state"], state["by"], state["why"]) == ("stopping", "anna", "lunch")
    assert 50 < state["kill_in"] <= 60


def test_a_stop_holds_when_the_client_leaves(session: Session) -> None:
    client = session.connect()
    client.ask("stop", grace=0.1)
    client.close()

    assert session.wait()["cause"] == "stop"


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"\xff\xfe\n",
        b"[" * 60000 + b"\n",
        b"x" * (65 << 20),
        b'{"id": [1], "op": "state"}\n',
    ],
    ids=["words", "list", "text", "bytes", "nested", "endless", "bad-id"],
)
def test_a_client_that_sends_garbage_is_dropped_alone(undisturbed: Session, garbage: bytes) -> None:
    good, bad = undisturbed.connect(), undisturbed.connect()

    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # dropped before all was sent
        bad.send(garbage)

    assert bad.closed()
    assert good.call("state")["state"] == "running"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (
            {"op": "explode"},
            "unknown op 'explode'; there are stop, kill, extend, pause, resume, finished, notice, hold, grant, revoke and state",
        ),
        (
            {},
            "unknown op None; there are stop, kill, extend, pause, resume, finished, notice, hold, grant, revoke and state",
        ),
        ({"op": "extend"}, "seconds must be a number of seconds"),
        ({"op": "extend", "seconds": -5}, "seconds must be between 0.001 and 3.16224e+07 seconds"),
        ({"op": "extend", "seconds": float("nan")}, "seconds must be a number of seconds"),
        ({"op": "extend", "seconds": True}, "seconds must be a number of seconds"),
        ({"op": "stop", "grace": "long"}, "grace must be a number of seconds"),
        ({"op": "stop", "cause": "two words"}, "cause must be one word"),
        ({"op": "stop", "why": 5}, "why must be a text"),
        ({"op": "notice", "text": " "}, "text must have 1 to 4096 characters"),
        (
            {"op": ["stop"]},
            "unknown op ['stop']; there are stop, kill, extend, pause, resume, finished, notice, hold, grant, revoke and state",
        ),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(
    undisturbed: Session, request_: dict[str, Any], error: str
) -> None:
    import json

    client = undisturbed.connect()
    client.send(json.dumps({"id": "a", **request_}).encode() + b"\n")

    assert client.answer("a") == {"id": "a", "ok": False, "error": error}
    assert client.call("state")["state"] == "running"


def test_requests_in_pieces_and_in_one_piece_are_understood(undisturbed: Session) -> None:
    client = undisturbed.connect()

    for byte in b'{"id": 71, "op": "state"}\n{"id": 72, "op": "st':
        client.send(bytes([byte]))
    client.send(b'ate"}\n{"id": 73, "op": "state"}\n')

    assert [client.answer(number)["ok"] for number in (71, 72, 73)] == [True, True, True]


def test_a_client_that_does_not_read_is_dropped(session: Session) -> None:
    good, slow = session.connect(), session.connect()

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        slow.send(b'{"id": 1, "op": "state"}\n' * 100_000)

    assert good.call("state")["state"] == "running"


def test_connections_beyond_the_limit_are_refused_with_the_reason(session: Session) -> None:
    clients = [session.connect() for _ in range(31)]

    assert session.connect().next() == {"event": "refused", "error": "too many connections"}

    assert clients[-1].call("state")["ok"] is True
    session.hang_up()
    assert session.connect().call("state")["ok"] is True


def test_notices_are_single_lines_in_the_sessions_file(session: Session) -> None:
    client = session.connect()

    assert client.call("notice", text="parser.py is held by\nsession w2") == {"id": 1, "ok": True}
    assert client.call("notice", text="landed: 4f2a · ärger \ud800")["ok"] is True

    assert session.read("notice").splitlines() == [
        "parser.py is held by session w2",
        "landed: 4f2a · ärger ?",
    ]


def test_the_socket_is_private_and_removed_at_the_end(session: Session) -> None:
    assert session.socket.stat().st_mode & 0o777 == 0o700

    session.connect().call("kill")

    session.wait()
    assert not session.socket.exists()


def test_a_session_may_not_operate_its_own_worker(tmp_path: Path) -> None:
    with Session(tmp_path, "operates_its_own_worker") as session:
        record = session.wait()

        assert record["code"] == 0
        assert "belongs to this session, which may not operate itself; ask the supervisor" in session.read(
            "out.log"
        )


def test_a_listening_socket_can_be_handed_down(tmp_path: Path) -> None:
    session = Session(tmp_path, "ignores_term")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(session.socket))
        listener.listen()
        session.start(listener.fileno())
    try:
        client = session.connect()
        session.wait_ready()

        assert client.call("kill")["ok"] is True

        session.wait()
    finally:
        session.__exit__()


def test_a_socket_path_longer_than_an_address_still_works(tmp_path: Path) -> None:
    import os

    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with Session(folder, "ignores_term") as session:
        short = tmp_path / "d"
        short.symlink_to(folder)
        session.socket = short / "s"
        client = session.connect()
        session.wait_ready()
        assert len(os.fsencode(folder / "s")) > 107

        assert client.call("kill")["ok"] is True

        session.wait()
        assert not (folder / "s").exists()


def test_a_socket_left_by_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    session = Session(tmp_path, "ignores_term")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(session.socket))
    with session:
        client = session.connect()
        session.wait_ready()

        assert client.call("kill")["ok"] is True


def test_a_list_of_tens_of_thousands_of_leases_is_kept_small_and_told_whole_to_whoever_connects(
    session: Session,
) -> None:
    name = session.json("worker.json")["session"]
    leases = []
    for token in range(1, 20_001):
        path = f"{'folder/' * 20}{token}"
        scope = {"kind": "file", "repo": "", "text": path, "key": path}
        leases.append([name, scope, "exclusive", token, token / 8])
    client = session.connect()
    before = resident(session.pid)

    assert client.call("hold", leases=leases, upto=20_000)["ok"] is True
    assert client.call("state")["ok"] is True  # what came before it is done with
    held = resident(session.pid)
    hello = session.connect().next()

    assert sorted(hello["leases"], key=lambda lease: lease[3]) == leases
    assert held - before < 20_000 * 500, f"{before} then {held}"
    assert resident(session.pid) - held < 2 << 20, f"{held} then {resident(session.pid)}"


def test_an_event_that_happens_while_a_long_greeting_is_sent_comes_after_it(session: Session) -> None:
    leases = [["s", {"text": "x" * 5_000}, "exclusive", token, 1.0] for token in range(1_000)]
    client = session.connect()
    assert client.call("hold", leases=leases)["ok"] is True
    slow = session.connect()
    assert select.select([slow], [], [], PATIENCE)[0], "its greeting has not begun"

    client.call("pause")

    hello = slow.next()
    assert (hello["event"], hello["state"], len(hello["leases"])) == ("hello", "running", 1_000)
    assert slow.next()["event"] == "paused"
    assert slow.call("resume")["ok"] is True


def test_what_a_client_asked_before_it_left_is_done_before_the_next_is_greeted(session: Session) -> None:
    """A supervisor that has died may have granted what its worker, held up, has not read yet."""
    name = session.json("worker.json")["session"]
    first = session.connect()
    assert first.call("hold", leases=[], upto=0)["ok"] is True
    leases = [
        [name, {"kind": "file", "repo": "", "text": path, "key": path}, "exclusive", token, 1.0]
        for token, path in enumerate(("a", "b", "c"), start=1)
    ]
    os.kill(session.pid, signal.SIGSTOP)
    try:
        first.ask("grant", leases=leases)
        first.ask("revoke", tokens=[2])
        first.close()
        second = session.connect()
    finally:
        os.kill(session.pid, signal.SIGCONT)

    assert second.next()["leases"] == [leases[0], leases[2]]


def test_a_list_of_a_hundred_thousand_leases_that_end_leaves_the_worker_small(
    session: Session,
) -> None:
    name = session.json("worker.json")["session"]
    client = session.connect()
    leases = [
        [
            name,
            {"kind": "file", "repo": "", "text": f"d/{token}", "key": f"d/{token}"},
            "exclusive",
            token,
            1.0,
        ]
        for token in range(1, 100_001)
    ]
    before = resident(session.pid)

    assert client.call("hold", leases=leases, upto=100_000)["ok"] is True
    assert client.call("state")["ok"] is True  # what came before it is done with
    held = resident(session.pid)
    for at in range(0, 100_000, 9_000):
        assert client.call("revoke", tokens=list(range(at + 1, at + 9_001)))["ok"] is True
    assert client.call("state")["ok"] is True
    left = resident(session.pid)

    assert held - before < 100_000 * 300, f"{before} then {held}"
    assert left - before < 10 << 20, f"{before} then {left}"
    assert session.connect().next()["leases"] == []


def resident(pid: int) -> int:
    """Return the memory of a process, in bytes."""
    from pathlib import Path

    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError(pid)
