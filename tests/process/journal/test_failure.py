"""Writing fails while the supervisor runs: everybody is told, nothing is lost, and it goes on when there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from supervisor.world.journal import (
    Event,
    Journal,
    JournalError,
    JournalOverflowError,
    SessionRow,
    TaskAlreadyLive,
)
from supervisor.world.journal import writer as writer_module

pytestmark = pytest.mark.process
BOUND_S = 60.0
BIG = {"text": "y" * 20_000}


def limit_pages(journal: Journal, pages: int) -> None:
    """Make the database full at `pages`, as a full disk would; the writer is idle when this is called."""
    journal._for_writer.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def fill(journal: Journal) -> None:
    limit_pages(journal, 1)  # SQLite takes the present size instead where that is larger


def make_room(journal: Journal) -> None:
    limit_pages(journal, 1_000_000)


@pytest.mark.asyncio
async def test_a_full_disk_is_told_to_each_ticket_and_once_to_the_supervisor(tmp_path: Path) -> None:
    failures: list[JournalError] = []
    with Journal.open(tmp_path, on_failure=failures.append) as journal, anyio.fail_after(BOUND_S):
        await journal.submit([Event(0.0, "before")]).wait()
        fill(journal)

        tickets = [journal.submit([Event(float(n), "kept", data=BIG)]) for n in range(1, 4)]
        for ticket in tickets:
            with pytest.raises(JournalError, match=r"the disk is full; free space on its file system"):
                await ticket.wait()
        late = journal.submit([Event(4.0, "kept")])  # small enough to fit, but never before the others
        with pytest.raises(JournalError, match="full"):
            await late.wait()

        assert failures == [journal.failure]
        assert [r.event.kind for r in journal.events(0, 10)] == ["before"]
        make_room(journal)
        await journal.retry().wait()

        assert journal.failure is None
        await journal.submit([Event(5.0, "after")]).wait()
        assert [r.event.at_wall for r in journal.events(0, 10)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert failures == [tickets[0].error]


@pytest.mark.asyncio
async def test_a_retry_that_finds_no_room_says_so_and_keeps_all(tmp_path: Path) -> None:
    failures: list[JournalError] = []
    with Journal.open(tmp_path, on_failure=failures.append) as journal, anyio.fail_after(BOUND_S):
        fill(journal)
        refused = journal.submit([Event(1.0, "kept", data=BIG)])
        with pytest.raises(JournalError, match="full"):
            await refused.wait()
        for _ in range(2):
            with pytest.raises(JournalError, match="full"):
                await journal.retry().wait()
        assert len(failures) == 1

        make_room(journal)
        await journal.retry().wait()
        assert journal.last_seq() == 1


@pytest.mark.asyncio
async def test_a_retry_while_all_is_well_is_durable_at_once(tmp_path: Path) -> None:
    with Journal.open(tmp_path, on_failure=print) as journal, anyio.fail_after(BOUND_S):
        await journal.retry().wait()


@pytest.mark.asyncio
async def test_after_a_second_failure_the_supervisor_is_told_again(tmp_path: Path) -> None:
    failures: list[JournalError] = []
    with Journal.open(tmp_path, on_failure=failures.append) as journal, anyio.fail_after(BOUND_S):
        for _ in range(2):
            fill(journal)
            with pytest.raises(JournalError):
                await journal.submit([Event(1.0, "x", data=BIG)]).wait()
            make_room(journal)
            await journal.retry().wait()

    assert len(failures) == 2


@pytest.mark.asyncio
async def test_an_undoing_entry_is_written_behind_the_intent_it_undoes(tmp_path: Path) -> None:
    intent = SessionRow("s", "t", BIG, "starting", 1.0)
    undone = SessionRow("s", "t", {}, "ended", 1.0, 2.0, "unspawned", {})
    with Journal.open(tmp_path, on_failure=lambda _: None) as journal, anyio.fail_after(BOUND_S):
        fill(journal)
        for row in (intent, undone):
            with pytest.raises(JournalError):
                await journal.submit([row]).wait()

        make_room(journal)
        await journal.retry().wait()
        await journal.submit([SessionRow("s2", "t", {}, "starting", 3.0)]).wait()
        with pytest.raises(TaskAlreadyLive):
            await journal.submit([SessionRow("s3", "t", {}, "starting", 3.0)]).wait()

        assert journal.session("s") == undone


@pytest.mark.asyncio
async def test_memory_for_what_cannot_be_written_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CAPACITY", 3)
    with Journal.open(tmp_path, on_failure=lambda _: None) as journal, anyio.fail_after(BOUND_S):
        fill(journal)
        with pytest.raises(JournalError, match="full"):
            await journal.submit([Event(float(n), "kept", data=BIG) for n in range(3)]).wait()
        with pytest.raises(JournalOverflowError, match=r"3 entries wait .* the disk is full; .* not kept"):
            await journal.submit([Event(3.0, "dropped")]).wait()

        make_room(journal)
        await journal.retry().wait()
        await journal.submit([Event(4.0, "after")]).wait()
        assert [r.event.at_wall for r in journal.events(0, 10)] == [0.0, 1.0, 2.0, 4.0]


def test_closing_tries_once_more(tmp_path: Path) -> None:
    with Journal.open(tmp_path, on_failure=lambda _: None) as journal:
        fill(journal)
        with pytest.raises(JournalError):
            journal.submit([Event(1.0, "x", data=BIG)]).wait_blocking(BOUND_S)
        make_room(journal)

    with Journal.open_reader(tmp_path) as reader:
        assert reader.last_seq() == 1


def test_closing_says_what_was_lost_and_closes_all_the_same(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, on_failure=lambda _: None)
    fill(journal)
    with pytest.raises(JournalError):
        journal.submit([Event(1.0, "x", data=BIG), Event(1.0, "y")]).wait_blocking(BOUND_S)

    with pytest.raises(JournalError, match=r"2 entries were lost: .* the disk is full"):
        journal.close()

    Journal.open(tmp_path, on_failure=print).close()


# Runs until its disk or its file limit stops it, makes room, and goes on; prints what the journal has.
STORY = """
import resource, sys
from pathlib import Path
from supervisor.world.journal import Event, Journal, JournalError

state, ballast = Path(sys.argv[1]), Path(sys.argv[2])
journal = Journal.open(state, on_failure=lambda error: print("told:", error))
if not ballast.exists():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
number = 0
while journal.failure is None:
    number += 1
    ticket = journal.submit([Event(float(number), "x", data={"text": "y" * 5000})])
    try:
        ticket.wait_blocking(10)
    except JournalError:
        pass
    if number > 5000:
        sys.exit("the disk never filled up")
durable = journal.last_seq()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ballast.unlink(missing_ok=True)
journal.retry().wait_blocking(10)
journal.submit([Event(number + 1.0, "after")]).wait_blocking(10)
seen = [recorded.event.at_wall for recorded in journal.events(0, 100_000)]
print(durable == number - 1, seen == [float(n) for n in range(1, number + 2)])
journal.close()
"""


def tell(argv: list[str], state: Path, ballast: Path) -> list[str]:
    result = subprocess.run(
        [*argv, sys.executable, "-c", STORY, str(state), str(ballast)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_a_limit_on_file_size_stops_the_journal_and_lifting_it_lets_it_go_on(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    told, verdict = tell([], tmp_path / "state", tmp_path / "no-ballast")

    assert told.startswith(f"told: {tmp_path}/state/journal.db: ")
    assert told.endswith("check the disk and the limits on file sizes")
    assert verdict == "True True"


def test_a_disk_that_is_really_full_stops_the_journal_and_room_lets_it_go_on(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=4m tmpfs {tmp_path}"
    probe = subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {os.fsdecode(probe.stderr).strip()}")
    script = f'{mount} && head -c 2000000 /dev/zero > {tmp_path}/ballast && exec "$@"'
    told, verdict = tell(
        ["unshare", "--mount", "sh", "-c", script, "sh"], tmp_path / "state", tmp_path / "ballast"
    )

    assert told == f"told: {tmp_path}/state/journal.db: the disk is full; free space on its file system"
    assert verdict == "True True"
