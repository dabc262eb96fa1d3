"""What programs print, as entries."""

from __future__ import annotations

import pytest

from supervisor.world.sources.output import entries
from supervisor.world.sources.values import Refused


@pytest.mark.parametrize(
    "printed",
    [
        b'[{"key": "a"}, {"key": "b"}]',
        b'{"tasks": [{"key": "a"}, {"key": "b"}]}',
        b'{"key": "a"}\n\n{"key": "b"}\n',
        b'\xef\xbb\xbf[{"key": "a"}, {"key": "b"}]\n',
    ],
)
def test_an_array_an_object_with_tasks_and_lines_are_the_same(printed: bytes) -> None:
    assert entries(printed) == [{"key": "a"}, {"key": "b"}]


def test_one_object_is_one_task() -> None:
    assert entries(b'{"key": "a"}') == [{"key": "a"}]


@pytest.mark.parametrize("printed", [b"", b"  \n", b"[]", b'{"tasks": []}'])
def test_nothing_is_no_tasks(printed: bytes) -> None:
    assert entries(printed) == []


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (b"Traceback (most recent call last):", "not JSON (line 1)"),
        (b'{"key": "a"}\n{"key": "b"', "not JSON (line 2)"),
        (b'[\n{"key": "a"},\n{"key": ', "not JSON (line 3)"),
        (b"\x00\xff\xfe", "not UTF-8 (byte 1)"),
        (b"12", "not a list"),
        (b'{"tasks": 3}', "not a list"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"1," * 60_000 + b"1]", "listed 60001 tasks, more than 50000"),
        (b"9" * 10_000, "not JSON"),
    ],
)
def test_garbage_is_refused_as_a_whole(printed: bytes, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        entries(printed)

    assert words in refusal.value.what
