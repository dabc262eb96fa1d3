"""What is recorded stays at hand until it can be read from the journal, and no longer."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from supervisor.core.decisions.effects import Note
from supervisor.core.moment import Moment
from supervisor.daemon.pacing_memory import PacingMemory
from supervisor.daemon.recorder import Recorder
from supervisor.world.journal import Journal, JournalError
from tests.conftest import House

pytestmark = pytest.mark.process
BOUND_S = 60.0


def now() -> Moment:
    return Moment(time.monotonic(), time.time())


def recorder_of(journal: Journal, house: House) -> Recorder:
    return Recorder(house.tables, journal, PacingMemory(house.tables, (), now))


@pytest.mark.asyncio
async def test_events_are_let_go_once_they_are_durable(tmp_path: Path, house: House) -> None:
    failures: list[JournalError] = []
    with Journal.open(tmp_path, on_failure=failures.append) as journal, anyio.fail_after(BOUND_S):
        recorder = recorder_of(journal, house)
        for number in range(3):
            recorder.record([Note("lease.granted", data={"scopes": [f"f{number}"]})], now())
        assert len(recorder.latest) == 3

        ticket = recorder.flush()
        recorder.record([Note("lease.refused")], now())
        await ticket.wait()
        await anyio.wait_all_tasks_blocked()

        assert [event.kind for event in recorder.latest] == ["lease.refused"]
        await recorder.flush().wait()
        await anyio.wait_all_tasks_blocked()
        assert not recorder.latest
        assert len(journal.events(0, 10)) == 4
        assert not failures


@pytest.mark.asyncio
async def test_events_that_cannot_be_written_stay_at_hand_until_they_are(
    tmp_path: Path, house: House
) -> None:
    failures: list[JournalError] = []
    with Journal.open(tmp_path, on_failure=failures.append) as journal, anyio.fail_after(BOUND_S):
        recorder = recorder_of(journal, house)
        journal._for_writer.execute("PRAGMA max_page_count = 1").fetchall()  # as a full disk would be
        recorder.record([Note("lease.granted", data={"text": "y" * 200_000})], now())
        with pytest.raises(JournalError, match="full"):
            await recorder.flush().wait()
        await anyio.wait_all_tasks_blocked()
        assert [event.kind for event in recorder.latest] == ["lease.granted"]

        journal._for_writer.execute("PRAGMA max_page_count = 1000000").fetchall()
        await journal.retry().wait()
        recorder.record([Note("lease.refused")], now())
        await recorder.flush().wait()
        await anyio.wait_all_tasks_blocked()

        assert not recorder.latest
        assert [found.event.kind for found in journal.events(0, 10)] == ["lease.granted", "lease.refused"]
