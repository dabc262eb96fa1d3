"""First writes are granted at once and told of together."""

from __future__ import annotations

import pytest

from supervisor.daemon.first_writes import FirstWrites


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
