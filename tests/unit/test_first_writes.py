"""First writes are granted at once and told of together."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from supervisor.core.decisions.effects import Note
from supervisor.daemon import first_writes
from supervisor.daemon.first_writes import FirstWrites
from supervisor.world.timer import BootTimer


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.asyncio
async def test_many_first_writes_of_a_session_are_one_event_and_told_once(house, work) -> None:
    house.offer(work("a", "one"), work("b", "two"))
    house.fill()
    told: list[None] = []
    writes = FirstWrites(lambda: told.append(None))

    for number in range(3):
        writes.add(house.session("a"), f"f{number}")
    writes.add(house.session("b"), "g")

    first, second = writes.notes()
    assert first.data == {"scopes": ["f0", "f1", "f2"], "holder": house.session("a").id, "discovered": True}
    assert (second.task, second.data["scopes"]) == ("b", ["g"])
    assert writes.notes() == []
    assert told == []  # its time has not come


@pytest.mark.asyncio
async def test_first_writes_are_told_when_their_time_has_come(house, work) -> None:
    house.offer(work("a", "one"))
    house.fill()
    told: asyncio.Future[list[Note]] = asyncio.get_running_loop().create_future()
    writes = FirstWrites(lambda: told.set_result(writes.notes()))
    open_before = descriptors()

    writes.add(house.session("a"), "f")
    (note,) = await asyncio.wait_for(told, 30.0)

    assert note.data["scopes"] == ["f"]
    assert descriptors() == open_before


@pytest.mark.asyncio
async def test_without_a_descriptor_left_they_are_told_at_once(house, work, monkeypatch) -> None:
    house.offer(work("a", "one"))
    house.fill()
    told: asyncio.Future[list[Note]] = asyncio.get_running_loop().create_future()
    writes = FirstWrites(lambda: told.set_result(writes.notes()))

    def none_left() -> BootTimer:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(first_writes, "BootTimer", none_left)
    writes.add(house.session("a"), "f")

    (note,) = await asyncio.wait_for(told, 30.0)
    assert note.data["scopes"] == ["f"]


@pytest.mark.asyncio
async def test_a_storm_of_first_writes_does_not_wait_for_its_time(house, work) -> None:
    house.offer(work("a", "one"))
    house.fill()
    sizes: list[int] = []

    def tell() -> None:
        sizes.extend(len(note.data["scopes"]) for note in writes.notes())

    writes = FirstWrites(tell)
    for number in range(2_500):
        writes.add(house.session("a"), f"f{number}")
    tell()

    assert sizes == [1_000, 1_000, 500]
