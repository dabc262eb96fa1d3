"""A log is read as it grows: whole lines, once, bounded, whatever the worker drops of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.world.launch.tail import LINE_LIMIT, Tail, last_line
from workers.session.kernel import punch_hole
from workers.session.logfile import marker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


def everything(tail: Tail) -> list[bytes]:
    found: list[bytes] = []
    while (lines := tail.lines()) is not None:
        found += lines
    return found


def add(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_a_line_is_had_once_when_it_is_whole(path: Path) -> None:
    tail = Tail(path)
    assert everything(tail) == []

    add(path, b"one\ntw")
    assert everything(tail) == [b"one"]
    add(path, b"o\nthree")
    assert everything(tail) == [b"two"]

    assert tail.last() == b"three"
    assert tail.last() == b""


def test_a_line_longer_than_is_read_is_passed_over_and_the_next_is_had(path: Path) -> None:
    tail = Tail(path)
    add(path, b"a\n" + b"x" * (LINE_LIMIT * 3) + b"\nb\n")

    assert everything(tail) == [b"a", b"b"]
    assert tail.long == 1


def test_what_was_dropped_unread_is_counted_and_the_rest_is_had(path: Path) -> None:
    line = b"x" * 99 + b"\n"
    tail = Tail(path)
    add(path, line * 100)
    assert len(everything(tail)) == 100
    add(path, line * 2000)
    with path.open("r+b") as file:
        try:
            punch_hole(file.fileno(), 8192, 163840 - 8192)
        except OSError as error:
            pytest.skip(f"this file system has no holes: {error.strerror}")

    found = everything(tail)
    assert set(found) == {line[:-1]}
    assert tail.missed == 163840 - 10_000


def test_after_a_cut_it_goes_on_behind_the_marker(path: Path) -> None:
    tail = Tail(path)
    add(path, b"head\n" + b"x" * 90 + b"\n" + b"half")
    assert len(everything(tail)) == 2
    os.truncate(path, 5)
    add(path, marker(1000))
    add(path, b"tail\n")

    assert everything(tail) == [b"tail"]
    assert tail.missed == 5 + 1000 - 100


def test_a_log_that_began_anew_is_read_anew(path: Path) -> None:
    tail = Tail(path)
    add(path, b"a long first line\n")
    assert everything(tail) == [b"a long first line"]
    os.truncate(path, 0)
    add(path, b"new\n")

    assert everything(tail) == [b"new"]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir])
def test_what_is_no_plain_file_has_no_lines(path: Path, make) -> None:
    make(path)

    assert Tail(path).lines() is None
    assert last_line(path) == ""


def test_the_last_line_is_the_last_one_with_something_on_it(path: Path) -> None:
    add(path, b"y" * 9000 + b"\nAllow this? [y/N] \n\n")

    assert last_line(path) == "Allow this? [y/N]"
