"""What a guard asks over the session's line, and what it makes of the answers."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers.guard.claims import Claim, Claims, Granted, Leased, Refused
from workers.guard.line import Line


class Loop:
    """Serves what is watched when the test says so."""

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable[[int], None]] = {}

    def watch_swift(self, fd: int, _mask: int, callback: Callable[[int], None]) -> None:
        self._callbacks[fd] = callback

    def listen_for(self, fd: int, mask: int) -> None:
        pass

    def forget(self, fd: int) -> None:
        del self._callbacks[fd]

    def expect(self) -> None:
        pass

    def turn(self) -> None:
        """Serve all that has arrived."""
        for fd, callback in list(self._callbacks.items()):
            if select.select([fd], [], [], 0)[0]:
                callback(select.POLLIN)


class Supervisor:
    """The other end of the line."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.line: socket.socket | None = None

    def asked(self) -> list[dict[str, object]]:
        """Return what was asked since."""
        if self.line is None:
            self.line, _ = self._listener.accept()
        return [json.loads(line) for line in self.line.recv(1 << 20).splitlines()]

    def say(self, *lines: str) -> None:
        """Answer so."""
        assert self.line is not None
        self.line.sendall("".join(line + "\n" for line in lines).encode())

    def close(self) -> None:
        """Be gone."""
        self._listener.close()
        if self.line is not None:
            self.line.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Loop, Supervisor, Claims]]:
    loop, supervisor = Loop(), Supervisor(tmp_path / "control")
    claims = Claims(Line(loop, str(tmp_path / "control"), 'se"cret', 1.0))  # type: ignore[arg-type]
    yield loop, supervisor, claims
    claims.close()
    supervisor.close()


def write_of(*paths: bytes) -> Claim:
    claim = Claim()
    claim.files += paths
    return claim


def test_one_file_is_asked_for_in_few_words_and_anything_else_as_a_claim(world) -> None:
    _, supervisor, claims = world
    both = write_of(b"a", b"b")
    turn = Claim("changes")

    for claim in (write_of(b"a"), write_of(b'"\\\xc3\xbc\xff\n'), both, turn):
        claims.ask(claim, 1.5, lambda _verdict: None)

    asked = supervisor.asked()
    assert [one["id"] for one in asked] == [1, 2, 3, 4]
    assert [(one["method"], one["params"]) for one in asked] == [
        ("guard.write", {"token": 'se"cret', "wait": 1.5, "path": "a"}),
        ("guard.write", {"token": 'se"cret', "wait": 1.5, "path": '"\\\xfc\U0010ffff\n'}),
        ("guard.claim", {"token": 'se"cret', "wait": 1.5, "files": ["a", "b"]}),
        ("guard.claim", {"token": 'se"cret', "wait": 1.5, "git": "changes"}),
    ]


def test_answers_are_heard_by_who_asked_in_whatever_order_and_pieces_they_come(world) -> None:
    loop, supervisor, claims = world
    heard: dict[str, object] = {}
    for name in ("a", "b", "c"):
        claims.ask(write_of(name.encode()), 0.0, lambda verdict, name=name: heard.update({name: verdict}))
    supervisor.asked()
    said = [
        '{"id":3,"result":{"token":7,"granted_at":1.5},"jsonrpc":"2.0"}',
        '{"id":1,"result":{"leases":[["s",{},"exclusive",8,1.0]],"notices":["read it"]},"jsonrpc":"2.0"}',
        '{"id":2,"error":{"code":-32000,"message":"b is held"},"jsonrpc":"2.0"}',
    ]

    supervisor.say("no JSON", "[1]", '{"id":"3"}', '{"id":9,"result":{}}', said[0])
    loop.turn()
    assert list(heard) == ["c"]
    text = "\n".join(said[1:])
    assert supervisor.line is not None
    supervisor.line.sendall(text[:40].encode())
    loop.turn()
    assert list(heard) == ["c"]
    supervisor.say(text[40:])
    loop.turn()

    leased, granted, refused = heard["c"], heard["a"], heard["b"]
    assert isinstance(leased, Leased)
    assert (leased.token, leased.granted_at) == (7, 1.5)
    assert isinstance(granted, Granted)
    assert (granted.leases, granted.notices) == ([["s", {}, "exclusive", 8, 1.0]], ["read it"])
    assert isinstance(refused, Refused)
    assert (refused.why, refused.late) == ("b is held", False)


def test_a_supervisor_that_does_not_know_yet_who_holds_what_is_asked_again(
    world, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, supervisor, claims = world
    clock = [100.0]
    monkeypatch.setattr("workers.guard.line.boottime", lambda: clock[0])
    heard: list[object] = []
    claims.ask(write_of(b"a"), 0.0, heard.append)
    (first,) = supervisor.asked()

    supervisor.say('{"id":1,"error":{"code":-32000,"message":"wait","data":{"reason":"recovering"}}}')
    loop.turn()
    assert heard == []
    clock[0] = claims.due()
    claims.look()

    assert supervisor.asked() == [first]
    supervisor.say('{"id":1,"result":{"token":7,"granted_at":1.0},"jsonrpc":"2.0"}')
    loop.turn()
    assert len(heard) == 1


def test_what_was_answered_by_now_is_taken_in_before_the_loop_comes_to_it(world) -> None:
    _, supervisor, claims = world
    heard: list[object] = []
    for path in (b"a", b"b"):
        claims.ask(write_of(path), 1.5, heard.append)
    first, second = (one["id"] for one in supervisor.asked())

    claims.hear()
    assert heard == []
    supervisor.say(f'{{"jsonrpc":"2.0","id":{first},"result":{{"token":7,"granted_at":1.5}}}}')
    supervisor.say(f'{{"jsonrpc":"2.0","id":{second},"result":{{"token":8,"granted_at":1.5}}}}')
    claims.hear()

    assert [answer.token for answer in heard if isinstance(answer, Leased)] == [7, 8]


def test_a_supervisor_that_has_gone_is_heard_out(world) -> None:
    _, supervisor, claims = world
    heard: list[object] = []
    claims.ask(write_of(b"a"), 1.5, heard.append)
    (asked,) = supervisor.asked()
    supervisor.say(f'{{"jsonrpc":"2.0","id":{asked["id"]},"result":{{"token":7,"granted_at":1.5}}}}')
    supervisor.close()

    claims.hear()
    claims.hear()

    assert [answer.token for answer in heard if isinstance(answer, Leased)] == [7]


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_sweep_that_waited_for_the_checkout_asks_once_more_what_it_would_throw_away(
    world, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    loop, supervisor, claims = world
    clock = [100.0]
    monkeypatch.setattr("workers.guard.claims.boottime", lambda: clock[0])
    claim = Claim("sweeps", "both")
    heard: list[object] = []
    granted = '"result":{"leases":[["s",{},"exclusive",8,1.0]],"notices":[]}'

    def answer(number: int, rest: str) -> None:
        supervisor.say(f'{{"id":{number},{rest}}}')
        loop.turn()

    claims.ask(claim, 9.0, heard.append)
    (first,) = supervisor.asked()
    assert (first["method"], first["params"]["tokens"]) == ("guard.discard", [])
    answer(1, '"result":{}')
    (second,) = supervisor.asked()
    assert second["method"] == "guard.claim"
    clock[0] += seconds
    answer(2, granted)
    if not seconds:
        assert [type(verdict) for verdict in heard] == [Granted]
        return

    (third,) = supervisor.asked()
    assert (third["method"], third["params"]["tokens"]) == ("guard.discard", [8])
    assert heard == []
    answer(3, '"error":{"code":1,"message":"a person\'s","data":{"reason":"unowned"}}')
    assert [type(verdict) for verdict in heard] == [Refused]
    assert claim.tokens() == [8]
