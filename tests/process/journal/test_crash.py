"""The writing process is killed at any moment: what it acknowledged is there, whole and in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.world.journal import Event, Journal, JournalError, JournalLockedError

pytestmark = pytest.mark.process

# Writes numbered batches of three entries, many at once, and prints each number once it is durable.
WRITER = """
import sys
from pathlib import Path
import anyio
from supervisor.world.journal import Event, Journal, Meta

async def main():
    journal = Journal.open(Path(sys.argv[1]), on_failure=print)
    tickets = []
    for number in range(1, 1_000_000):
        data = {"n": number, "padding": "x" * (number % 700)}
        entries = [Event(1.0, "first", data=data), Meta("last", number), Event(1.0, "second", data=data)]
        tickets.append((number, journal.submit(entries)))
        if len(tickets) == 16:
            for acknowledged, ticket in tickets:
                await ticket.wait()
                print(acknowledged, flush=True)
            tickets.clear()

anyio.run(main)
"""


def fail_loudly(error: JournalError) -> None:
    raise AssertionError(error)


def start_writer(state_dir: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(state_dir)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("acknowledgements", [1, 40, 333, 1500])
def test_every_acknowledged_batch_survives_a_kill_whole_and_in_order(
    tmp_path: Path, acknowledgements: int
) -> None:
    with start_writer(tmp_path) as child:
        assert child.stdout is not None
        heard = [int(child.stdout.readline()) for _ in range(acknowledgements)]
        child.kill()
        heard += [
            int(line) for line in child.stdout.read().splitlines() if line.endswith(tuple("0123456789"))
        ]
    assert child.returncode == -signal.SIGKILL

    with Journal.open(tmp_path, on_failure=fail_loudly) as journal:
        events = [(r.seq, r.event.kind, r.event.data["n"]) for r in journal.events(0, 1_000_000)]
        last = journal.load().meta["last"]

    assert last >= max(heard)
    assert [(kind, n) for _, kind, n in events] == [
        (kind, n) for n in range(1, last + 1) for kind in ("first", "second")
    ]
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))


def test_a_journal_that_was_killed_is_read_while_no_supervisor_runs(tmp_path: Path) -> None:
    with start_writer(tmp_path) as child:
        assert child.stdout is not None
        heard = int(child.stdout.readline())
        child.kill()

    with Journal.open_reader(tmp_path) as reader:
        assert reader.load().meta["last"] >= heard
        assert reader.last_seq() == 2 * reader.load().meta["last"]


def test_a_journal_is_read_while_its_supervisor_writes(tmp_path: Path) -> None:
    with start_writer(tmp_path) as child:
        assert child.stdout is not None
        heard = int(child.stdout.readline())

        with Journal.open_reader(tmp_path) as reader:
            assert reader.load().meta["last"] >= heard
            recent: list[Event] = [recorded.event for recorded in reader.recent(2)]
            assert [event.kind for event in recent] == ["first", "second"]
        child.kill()


def test_a_second_supervisor_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    with start_writer(tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()

        with pytest.raises(JournalLockedError) as refused:
            Journal.open(tmp_path, on_failure=fail_loudly)

        child.kill()
    assert refused.value.pid == child.pid
    said = str(refused.value)
    assert said.startswith(f"{tmp_path} belongs to process {child.pid}, a running supervisor since 2")
    assert said.endswith("; stop that one, or give this one another supervisor.state_dir")


def test_the_lock_of_a_killed_supervisor_is_free(tmp_path: Path) -> None:
    with start_writer(tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()

    with Journal.open(tmp_path, on_failure=fail_loudly) as journal:
        assert journal.load().generation == 2
