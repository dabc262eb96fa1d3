"""Reading task sources: one reading at a time, nothing stale, and everybody who asked is told."""

from __future__ import annotations

import asyncio
from typing import cast

import anyio
import pytest

from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.task import Problem, Reading, Task
from supervisor.daemon.authority import Authority
from supervisor.daemon.sources.feeds import Sources


class FakeSource:
    """A source whose readings end when the test says so; each offers one task named after its number."""

    def __init__(self, name="md"):
        self.name = name
        self.due = None
        self.gates = []

    async def read(self):
        number = len(self.gates)
        self.gates.append(anyio.Event())
        await self.gates[number].wait()
        task = Task(key=f"reading-{number}", title="Read", source=self.name)
        return Reading(self.name, (task,), ())


class FakeAuthority:
    """Tables, and no world behind them."""

    def __init__(self, house):
        self.tables = house.tables
        self.now = lambda: house.now
        self.alarm = self

    def on_time(self, *_):
        pass

    def look(self):
        pass

    def do(self, effects):
        list(effects)


def made(house, group):
    """Return sources in a house without a world."""
    return Sources(cast("Authority", FakeAuthority(house)), group, Work)


async def settle():
    """Let every task that can run do so."""
    await anyio.wait_all_tasks_blocked()


def keys(house):
    return [work.task.key for work in house.tables.backlog.works()]


@pytest.mark.asyncio
async def test_a_reading_that_began_too_early_does_not_replace_a_later_one(house):
    async with anyio.create_task_group() as group:
        source = FakeSource()
        sources = made(house, group)
        sources.configure([source], {})
        sources.reread(frozenset({"md"}))
        await settle()
        group.start_soon(sources.read_all)  # a reload, while the first reading is slow
        await settle()
        assert len(source.gates) == 1
        source.gates[0].set()
        await settle()
        source.gates[1].set()

    assert keys(house) == ["reading-1"]


@pytest.mark.asyncio
async def test_a_source_that_is_removed_while_it_is_read_offers_nothing(house):
    told = []
    async with anyio.create_task_group() as group:
        source = FakeSource()
        sources = made(house, group)
        sources.configure([source], {})
        sources.read_then("md", lambda: told.append("read"))
        await settle()
        sources.configure([], {})
        source.gates[0].set()

    assert keys(house) == []
    assert told == ["read"]


@pytest.mark.asyncio
async def test_who_waits_for_a_source_that_is_not_there_is_told_at_once(house):
    told = []
    async with asyncio.timeout(5), anyio.create_task_group() as group:
        sources = made(house, group)
        sources.read_then("md", lambda: told.append("gone"))

    assert told == ["gone"]


class ShortSource(FakeSource):
    """A source that is read once, and then finds the host short of something."""

    async def read(self):
        if self.gates:
            return Reading(self.name, (), (Problem(self.name, "/tasks", "cannot be read now"),), unread=True)
        self.gates.append(anyio.Event())
        return Reading(self.name, (Task(key="reading-0", title="Read", source=self.name),))


@pytest.mark.asyncio
async def test_the_last_tasks_of_a_source_hold_while_nothing_can_be_said_about_it(house):
    async with anyio.create_task_group() as group:
        sources = made(house, group)
        sources.configure([ShortSource()], {})
        await sources.read_all()
        await sources.read_all()

    assert keys(house) == ["reading-0"]
    assert [problem.where for problem in house.tables.backlog.problems()] == ["/tasks"]
