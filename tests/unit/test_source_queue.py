"""The queue, whose rows the journal keeps."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.core.tasks.task import Stage
from supervisor.world.sources.mapping import Defaults
from supervisor.world.sources.queue import QueueSource


@pytest.mark.asyncio
async def test_rows_are_tasks_under_their_queue_key_or_their_own() -> None:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("q-1", {"title": "First", "paths": ["a.py"]}),
        ("q-2", {"title": "Second", "key": "gh-7"}),
    ]
    source = QueueSource("queue", lambda: rows, Defaults(repo="main"))

    reading = await source.read()

    assert [(t.key, t.title, t.repo, t.origin) for t in reading.tasks] == [
        ("q-1", "First", "main", "queue q-1"),
        ("gh-7", "Second", "main", "queue q-2"),
    ]
    assert (reading.source, reading.problems, source.due) == ("queue", (), None)


@pytest.mark.asyncio
async def test_a_bad_row_is_refused_by_its_queue_key_and_the_others_stand() -> None:
    rows: list[tuple[str, dict[str, Any]]] = [("q-1", {"tier": 9}), ("q-2", {"wait": "2999-01-01"})]
    source = QueueSource("queue", lambda: rows, Defaults())

    reading = await source.read()

    assert [(t.key, t.stage) for t in reading.tasks] == [("q-2", Stage.WAITING)]
    assert [p.where for p in reading.problems] == ["queue q-1"]
    assert source.due is not None
