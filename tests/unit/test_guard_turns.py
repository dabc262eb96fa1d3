"""Git's turns in one session: a turn is given back when no git of the session runs, and none has asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from workers.guard import claims as real
from workers.guard.rights import Rights
from workers.guard.turns import Turns

TURN = [
    "s1",
    {"kind": "resource", "repo": "", "text": "resource:git/r", "key": "resource:git/r"},
    "exclusive",
    7,
    1.0,
]


class Loop:
    """Keeps what to do when a process has ended, for the test to say when."""

    def __init__(self) -> None:
        self.ended: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, _mask: int, callback: Callable[[int], None]) -> None:
        self.ended[fd] = callback

    def forget(self, fd: int) -> None:
        del self.ended[fd]

    def end(self) -> None:
        """Let the oldest process that is watched end."""
        next(iter(self.ended.values()))(0)


class Claims:
    """Keeps what was given back."""

    def __init__(self) -> None:
        self.back: list[list[object]] = []
        self.written: list[list[bytes] | None] = []

    def give_back(self, tokens: list[object], written: list[bytes] | None, answered: object) -> None:
        self.answered = answered
        self.back.append(tokens)
        self.written.append(written)


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """Return the numbers of two living processes."""
    children = [
        subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        for _ in "ab"
    ]
    yield [child.pid for child in children]
    for child in children:
        child.communicate()


def test_a_turn_ends_with_its_process(pids: list[int]) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]

    asked = rights.newest
    turns.ask()
    turns.begin(pids[0], [TURN], asked)
    rights.add([TURN], [], [])
    loop.end()

    assert claims.back == [[7]]
    assert rights.leases == []


def test_a_turn_is_kept_for_the_next_git_that_has_asked_before_the_last_one_was_seen_to_end(
    pids: list[int],
) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    asked = rights.newest
    turns.ask()
    turns.begin(pids[0], [TURN], asked)
    rights.add([TURN], [], [])

    asked = rights.newest
    turns.ask()
    loop.end()  # noticed late: the answer to the second question is on its way, and names the same lease
    assert claims.back == []
    turns.begin(pids[1], [TURN], asked)
    rights.add([TURN], [], [])
    assert claims.back == []
    loop.end()

    assert claims.back == [[7]]


def test_a_turn_that_is_refused_to_the_next_git_is_given_back(pids: list[int]) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    asked = rights.newest
    turns.ask()
    turns.begin(pids[0], [TURN], asked)
    rights.add([TURN], [], [])
    asked = rights.newest
    turns.ask()
    loop.end()

    turns.forgo()

    assert claims.back == [[7]]


def test_a_turn_is_given_back_although_a_list_of_leases_named_it_before_the_answer_came(
    pids: list[int],
) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    asked = rights.newest
    turns.ask()

    rights.replace([TURN], 7)
    turns.begin(pids[0], [TURN], asked)
    loop.end()

    assert claims.back == [[7]]


def test_a_turn_that_has_ended_does_not_come_back_by_a_message_that_was_under_way(pids: list[int]) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    sweep = ["s1", {"kind": "tree", "repo": "r", "text": "./", "key": ""}, "exclusive", 8, 1.0]
    turns.ask()
    turns.begin(pids[0], [TURN, sweep], rights.newest)
    rights.add([TURN, sweep], [], [b""])
    loop.end()

    rights.grant([TURN, sweep])
    rights.replace([TURN, sweep], 8)

    assert not rights.cover(b"any")
    assert rights.leases == []


def test_of_the_files_that_a_turn_left_changed_those_are_kept_that_were_not_taken_back_since(
    pids: list[int],
) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    turns.ask()
    turns.begin(pids[0], [TURN], rights.newest)
    rights.add([TURN], [], [])
    loop.end()
    left: list[object] = [
        ["s1", {"kind": "file", "repo": "r", "text": name, "key": name}, "exclusive", token, 1.0]
        for name, token in (("a", 9), ("b", 10))
    ]
    rights.revoke([9])

    claims.answered(real.Granted(left, []))  # type: ignore[operator]

    assert rights.leases == left[1:]


def test_a_lease_that_the_session_had_before_stays(pids: list[int]) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    rights.add([TURN], [], [])

    turns.ask()
    turns.begin(pids[0], [TURN], rights.newest)
    loop.end()

    assert claims.back == []


@pytest.mark.parametrize(("files", "unnamed"), [(10_000, []), (10_001, [None])])
def test_a_turn_that_wrote_too_many_files_to_name_is_given_back_all_the_same(
    pids: list[int], files: int, unnamed: list[None]
) -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    turns.ask()
    turns.begin(pids[0], [TURN], rights.newest)
    rights.add([TURN], [], [])
    for number in range(files):
        turns.wrote(b"%d" % number)

    loop.end()

    assert claims.back == [[7]]
    assert [written for written in claims.written if written is None] == unnamed


def test_paths_that_do_not_fit_into_one_line_are_not_named() -> None:
    asked: list[dict[str, object]] = []

    class Line:
        def opening(self, _method: str) -> str:
            return ""

        def ask(self, _method: str, params: dict[str, object], _answered: object) -> None:
            asked.append(params)

    claims = real.Claims(Line())  # type: ignore[arg-type]
    claims.give_back([7], [b"a", b"\xff"], lambda _verdict: None)
    claims.give_back([7], ["ü".encode() * 100] * 2_000, lambda _verdict: None)

    assert [params["written"] for params in asked] == [["a", "\U0010ffff"], None]


def test_a_git_that_was_killed_while_it_waited_has_no_turn_and_what_it_was_granted_is_given_back() -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    turns.ask()

    assert not turns.begin(gone.pid, [TURN], rights.newest)

    assert claims.back == [[7]]
    assert not turns.includes(gone.pid)


def test_what_was_granted_for_a_turn_that_is_refused_after_all_is_given_back() -> None:
    loop, claims, rights = Loop(), Claims(), Rights("r", "s1")
    turns = Turns(loop, rights, claims)  # type: ignore[arg-type]
    turns.ask()

    turns.forgo([7])

    assert claims.back == [[7]]
