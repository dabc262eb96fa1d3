"""What a guard does with one held call: who is asked, and what is done to it."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from workers.guard.account import Account
from workers.guard.architecture import NUMBERS, native
from workers.guard.claims import Claim, Granted, Leased, Refused
from workers.guard.ground import Ground
from workers.guard.guard import Guard
from workers.guard.resolve import Eyes
from workers.guard.rights import Rights
from workers.guard.rules import Rules
from workers.guard.seccomp import Held


class Listener:
    """Keeps what became of each call; `gone` calls do not wait any more."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0)
        self.calls: list[Held] = []
        self.gone = False
        self.done: list[str] = []

    def receive(self) -> Held:
        return self.calls.pop()

    def waits(self, _call: Held) -> bool:
        return not self.gone

    def let_pass(self, _call: Held) -> bool:
        self.done.append("passed")
        return not self.gone

    def refuse(self, _call: Held, number: int) -> bool:
        self.done.append(f"refused {number}")
        return not self.gone


class Claims:
    """Keeps what was asked, for the test to answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[bytes], Any]] = []
        self.latest = Claim()

    def ask(self, claim: Claim, _wait: float, answered: Any) -> None:
        self.latest = claim
        self.asked.append((claim.files, answered))


class Nothing:
    """Stands for what has no part in it: no path is ignored, and no branch moves."""

    def covers(self, _path: bytes) -> bool:
        return False

    def moves(self, _named: object, *, removes: bool) -> list[object]:  # noqa: ARG002  - as branches are asked
        return []


class Loop:
    """Keeps what is to be called when a call is held."""

    def watch_swift(self, _fd: int, mask: int, callback: Any) -> None:
        self.ready = lambda: callback(mask)


class World:
    """A guard over a folder, and this process as the one whose calls are held."""

    def __init__(self, root: Path) -> None:
        self.listener, self.claims, self.rights = Listener(), Claims(), Rights("app", "s1")
        self.told: list[str] = []
        self._text = ctypes.create_string_buffer(4096)
        self._loop = Loop()
        nothing, place = Nothing(), os.fsencode(root)
        parts: Any = {
            "loop": self._loop,
            "listener": self.listener,
            "rights": self.rights,
            "claims": self.claims,
        }
        none: Any = dict.fromkeys(("ignored", "branches", "commands"), nothing)
        rules = Rules(0.0, 0.0, {}, open_when_away=False)
        self.guard = Guard(
            **parts, **none, ground=Ground(place), eyes=Eyes(place), told=self.told.append, rules=rules
        )

    def write(self, path: Path) -> None:
        """Have a call held that would write a file."""
        self._text.value = os.fsencode(path)
        number = NUMBERS[native()]["openat"]
        arguments = (0xFFFFFF9C, ctypes.addressof(self._text), os.O_WRONLY | os.O_CREAT, 0o600, 0, 0)
        self.listener.calls.append(Held((1, os.getpid(), 0, number, native(), 0, *arguments)))
        self._loop.ready()

    @property
    def account(self) -> Account:
        """What the guard has done so far."""
        return self.guard.account


@pytest.fixture
def world(tmp_path: Path):
    found = World(tmp_path)
    yield found
    os.close(found.listener.fd)


def test_the_first_write_of_a_file_asks_and_the_next_does_not(world: World, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    world.write(tmp_path / "a")
    ((files, answered),) = world.claims.asked
    assert files == [b"a"]
    assert world.listener.done == []

    answered(Leased(7, 1.5))
    world.write(tmp_path / "a")

    assert world.listener.done == ["passed", "passed"]
    assert len(world.claims.asked) == 1
    assert world.rights.leases == [
        ["s1", {"kind": "file", "repo": "app", "text": "a", "key": "a"}, "exclusive", 7, 1.5]
    ]
    assert (world.account.held, world.account.asked) == (2, 1)


def test_a_lease_that_was_taken_back_before_its_answer_came_is_asked_for_again(
    world: World, tmp_path: Path
) -> None:
    world.write(tmp_path / "a")
    world.rights.revoke([7])

    world.claims.asked[0][1](Leased(7, 1.5))

    assert world.listener.done == []
    assert len(world.claims.asked) == 2
    assert not world.rights.cover(b"a")


def test_a_file_is_the_sessions_own_work_unless_another_had_the_time_to_make_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.guard.guard.boottime", lambda: 100.0)
    (tmp_path / "there").touch()
    for name in ("new", "there", "late", "anothers"):
        world.write(tmp_path / name)
    (tmp_path / "anothers").touch()
    at = {"new": 100.0, "there": 100.0, "late": 160.0, "anothers": 160.0}

    for token, (files, answered) in enumerate(world.claims.asked, start=7):
        answered(Leased(token, at[files[0].decode()]))

    made = [name for name in at if world.rights.is_made(name.encode())]
    assert made == ["new", "late"]


def test_a_refusal_is_told(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    world.write(tmp_path / "a")

    world.claims.asked[0][1](Refused("a is held", late=False))

    assert world.listener.done == ["refused 16"]
    assert world.told == ["a is held"]
    assert "leasehold: a is held" in capfd.readouterr().err


def test_of_a_call_that_waits_no_more_nobody_is_asked(world: World, tmp_path: Path) -> None:
    world.listener.gone = True

    world.write(tmp_path / "a")

    assert world.claims.asked == []
    assert world.account.asked == 0


@pytest.mark.parametrize("verdict", ["in few words", "as a claim"])
def test_a_path_that_leads_elsewhere_once_its_wait_is_over_is_asked_for_anew(
    world: World, tmp_path: Path, verdict: str
) -> None:
    for name in ("own", "anothers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    (tmp_path / "link").symlink_to("own")
    world.write(tmp_path / "link/a")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("anothers")

    world.claims.latest.asked_at -= 1.0
    lease = ["s1", {"kind": "file", "repo": "app", "text": "own/a", "key": "own/a"}, "exclusive", 7, 1.5]
    world.claims.asked[0][1](Leased(7, 1.5) if verdict == "in few words" else Granted([lease], []))

    assert [files for files, _ in world.claims.asked] == [[b"own/a"], [b"anothers/a"]]
    assert world.rights.leases == [lease]
    assert world.listener.done == []

    world.claims.asked[1][1](Refused("anothers/a is held", late=True))

    assert world.listener.done == [f"refused {errno.EBUSY}"]
    assert (world.account.held, world.account.asked) == (1, 2)


def test_a_path_that_waited_and_leads_where_it_led_is_not_asked_for_again(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    world.write(tmp_path / "a")

    world.claims.latest.asked_at -= 1.0
    world.claims.asked[0][1](Granted([], []))

    assert world.listener.done == ["passed"]
    assert len(world.claims.asked) == 1
