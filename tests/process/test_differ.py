"""The git that stays and says what differs between two commits."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.gate.differ import Differ
from workers.gate.updates import Update, judged
from workers.session.loop import Loop

pytestmark = pytest.mark.process


class Polling(Loop):
    """A loop of the test: it serves what is ready until an answer has come."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:  # noqa: ARG002  - as a loop is called
        self.watched[fd] = callback

    def forget(self, fd: int) -> None:
        del self.watched[fd]

    def until(self, done: Callable[[], object]) -> None:
        while not done():
            ready, _, _ = select.select(list(self.watched), [], [], 60.0)
            assert ready, "git does not answer"
            for fd in ready:
                if fd in self.watched:
                    self.watched[fd](select.POLLIN)


class Place:
    def __init__(self, root: Path):
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.commit("begin", {"a.txt": b"a\n"})
        self.loop = Polling()
        program = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout.strip()
        self.differ = Differ(self.loop, program, os.fsencode(root / ".git"))

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, bytes]) -> bytes:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> bytes:
        return self.git("rev-parse", "HEAD").encode()

    def ask(self, old: bytes, new: bytes) -> list[bytes] | None:
        answers: list[list[bytes] | None] = []
        self.differ.ask(old, new, answers.append)
        self.loop.until(lambda: answers)
        return answers[0]


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.differ.close()
    assert not place.loop.watched


def test_it_names_what_differs_as_a_git_started_for_the_question_does(place, monkeypatch):
    first = place.head()
    names = {"b/c.txt": b"1", "new\nline": b"2", "end-00\n": b"3", "k\u00e4se": b"4", "a.txt": b"changed"}
    second = place.commit("more", names)
    place.git("mv", "b/c.txt", "b/d.txt")
    third = place.commit("renamed", {})
    monkeypatch.chdir(place.root)

    for old, new in ((first, second), (second, third), (third, first), (first, third)):
        (update,) = judged(b"%s %s refs/heads/main\n" % (old, new))
        assert isinstance(update, Update)
        assert place.ask(old, new) == update.paths
    assert place.ask(second, third) == [b"b/c.txt", b"b/d.txt"]


def test_commits_made_after_it_was_started_are_known_to_it(place):
    first = place.head()
    second = place.commit("second", {"x": b"x"})
    assert place.ask(first, second) == [b"x"]
    place.git("gc", "-q", "--prune=now")

    third = place.commit("third", {"y": b"y"})

    assert place.ask(second, third) == [b"y"]


def test_a_commit_that_changes_nothing_differs_in_nothing(place):
    first = place.head()
    assert place.ask(first, place.commit("empty", {})) == []


def test_of_a_merge_all_that_differs_from_the_old_tip_is_named(place):
    place.git("checkout", "-q", "-b", "side")
    place.commit("side", {"side.txt": b"s"})
    place.git("checkout", "-q", "main")
    old = place.commit("main", {"main.txt": b"m"})
    place.git("merge", "-q", "--no-edit", "side")

    assert place.ask(old, place.head()) == [b"side.txt"]


def test_a_submodule_is_a_path_like_any_other(place):
    old = place.head()
    place.git("update-index", "--add", "--cacheinfo", f"160000,{old.decode()},vendor/lib")
    place.git("commit", "-q", "-m", "submodule")

    assert place.ask(old, place.head()) == [b"vendor/lib"]


def test_a_replaced_commit_is_judged_by_what_it_really_holds(place):
    old = place.head()
    new = place.commit("two", {"x": b"x", "y": b"y"})
    place.git("reset", "-q", "--hard", old.decode())
    place.git("replace", new.decode(), place.commit("one", {"x": b"x"}).decode())

    assert place.ask(old, new) == [b"x", b"y"]


@pytest.mark.parametrize("unknown", ["old", "new"])
def test_of_an_unknown_commit_nothing_is_said_and_the_next_question_is_answered(place, unknown):
    old = place.head()
    new = place.commit("second", {"x": b"x"})
    nobody = b"1" * 40

    assert place.ask(*((nobody, new) if unknown == "old" else (old, nobody))) is None
    assert place.ask(old, new) == [b"x"]


def test_more_names_than_one_request_should_carry_are_not_told(place):
    old = place.head()
    new = place.commit("many", {f"{number:0100}": b"" for number in range(800)})

    assert place.ask(old, new) is None
    assert place.ask(old, place.commit("few", {"x": b"x"})) is None  # still the many
    assert place.ask(new, place.head()) == [b"x"]


def test_too_many_names_are_not_told_either_when_they_come_in_two_pieces(place):
    told: list[list[bytes] | None] = []
    names = b"".join(b"%0100d\0" % number for number in range(800))
    end = b"end-1\n"
    differ = place.differ
    differ._stdout, git = os.pipe()
    differ._open.append((b"c", end, told.append))
    try:
        for piece in (b"c\0" + names[:60_000], names[60_000:] + end):
            os.write(git, piece)
            differ._ready(select.POLLIN)
    finally:
        os.close(git)
        os.close(differ._stdout)
        differ._stdout = -1

    assert told == [None]


def test_a_git_that_was_killed_is_started_again(place):
    old = place.head()
    new = place.commit("second", {"x": b"x"})
    assert place.ask(old, new) == [b"x"]
    signal.pidfd_send_signal(place.differ._pidfd, signal.SIGKILL)
    place.loop.until(lambda: not place.loop.watched)

    assert place.ask(old, new) == [b"x"]
