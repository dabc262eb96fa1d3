from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from supervisor.world.journal import (
    EntryRefusedError,
    Event,
    Journal,
    JournalError,
    Meta,
    QueueDrop,
    QueueRow,
    ScheduleRow,
    SessionRow,
    TaskAlreadyLive,
    TaskDrop,
    TaskRow,
    Ticket,
)

pytestmark = pytest.mark.process
BOUND_S = 60.0


def fail_loudly(error: JournalError) -> None:
    raise AssertionError(error)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path, on_failure=fail_loudly) as opened:
        yield opened


def write(journal: Journal, *entries: Any) -> None:
    journal.submit(entries).wait_blocking(BOUND_S)


def live(id_: str, task: str, **changes: Any) -> SessionRow:
    row = SessionRow(id=id_, task=task, intent={"argv": ["x"]}, state="starting", started_at=1.0)
    return replace(row, **changes)


def ended(id_: str, task: str, at: float = 9.0) -> SessionRow:
    return live(id_, task, state="ended", ended_at=at, outcome="finished", ending={"sentence": "done"})


# --- what is written is read ------------------------------------------------------------------------


def test_every_kind_of_row_is_read_back_as_it_was_written(journal: Journal) -> None:
    task = TaskRow("t", {"held": True, "tries": 2})
    schedule = ScheduleRow("nightly", 7.5, ((3.25, 0), (3.25, 1)))
    queued = QueueRow("q-1", {"title": "naïve \udce9"})  # a file name that is no UTF-8
    write(journal, live("s", "t"), task, queued, Meta("high_water", 4096), schedule)

    snapshot = journal.load()

    assert snapshot.sessions == (live("s", "t"),)
    assert snapshot.tasks == (task,)
    assert snapshot.queue == (queued,)
    assert snapshot.meta == {"high_water": 4096}
    assert snapshot.schedules == (schedule,)


def test_rows_are_replaced_by_key_and_dropped_by_key(journal: Journal) -> None:
    write(
        journal,
        TaskRow("t", {"n": 1}),
        QueueRow("a", {}),
        QueueRow("b", {"n": 1}),
        QueueRow("c", {}),
        Meta("m", 1),
    )
    write(journal, TaskRow("t", {"n": 2}), QueueRow("b", {"n": 2}), QueueDrop("a"), Meta("m", [2]))

    snapshot = journal.load()
    assert snapshot.tasks == (TaskRow("t", {"n": 2}),)
    assert snapshot.queue == (QueueRow("b", {"n": 2}), QueueRow("c", {}))
    assert snapshot.meta == {"m": [2]}

    write(journal, TaskDrop("t"))
    assert journal.load().tasks == ()


def test_events_are_numbered_in_order_and_filtered(journal: Journal) -> None:
    kinds = ["claim", "spawn", "claim", "exit"]
    write(journal, *(Event(float(n), kind, f"s{n % 2}", "t", {"n": n}) for n, kind in enumerate(kinds)))

    assert [r.event.kind for r in journal.events(0, 10)] == kinds
    assert [r.seq for r in journal.events(0, 10)] == [1, 2, 3, 4]
    assert [r.seq for r in journal.events(2, 1)] == [3]
    assert [r.seq for r in journal.events(0, 10, kinds=["claim", "exit"])] == [1, 3, 4]
    assert [r.seq for r in journal.events(0, 10, session="s1", task="t")] == [2, 4]
    assert [r.seq for r in journal.recent(2)] == [3, 4]
    assert [r.seq for r in journal.recent(2, kinds=["claim"], session="s0")] == [1, 3]
    assert journal.events(0, 10, task="other") == []
    assert journal.recent(1)[0].event == Event(3.0, "exit", "s1", "t", {"n": 3})


def test_the_last_number_is_zero_at_first_and_survives_pruning(journal: Journal) -> None:
    assert journal.last_seq() == 0

    write(journal, Event(1.0, "x"), Event(1.0, "y"))
    assert anyio.run(journal.prune, 100.0) == 2
    assert journal.last_seq() == 2

    write(journal, Event(2.0, "z"))
    assert [r.seq for r in journal.events(0, 10)] == [3]


def test_sessions_are_reported_newest_first_and_filtered(journal: Journal) -> None:
    write(journal, ended("a", "t"), live("b", "u", started_at=2.0), live("c", "t", started_at=3.0))

    assert [row.id for row in journal.sessions(10)] == ["c", "b", "a"]
    assert [row.id for row in journal.sessions(1)] == ["c"]
    assert [row.id for row in journal.sessions(10, task="t")] == ["c", "a"]
    assert [row.id for row in journal.sessions(10, since_wall=2.0)] == ["c", "b"]
    assert journal.sessions(10, outcome="finished") == [ended("a", "t")]
    assert journal.session("b") == live("b", "u", started_at=2.0)
    assert journal.session("nobody") is None


def test_each_opening_is_a_generation(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        with Journal.open(tmp_path, on_failure=fail_loudly) as journal:
            seen.append(journal.load().generation)

    assert seen == [1, 2, 3]


# --- promise: one task, one session -------------------------------------------------------------------


def test_a_second_live_session_of_a_task_is_refused_and_the_first_is_named(journal: Journal) -> None:
    write(journal, live("first", "t"))

    with pytest.raises(TaskAlreadyLive) as refused:
        write(journal, Event(1.0, "claim"), live("second", "t"), Event(1.0, "spawn"))

    assert (refused.value.task, refused.value.session) == ("t", "first")
    assert [row.id for row in journal.load().sessions] == ["first"]
    assert journal.last_seq() == 0  # nothing of the refused batch


def test_a_refusal_harms_no_other_batch_of_its_group(journal: Journal) -> None:
    with hold_the_writer(journal):
        tickets = [journal.submit([live(f"s{n}", f"t{n // 2}"), Event(float(n), "claim")]) for n in range(6)]

    results = [outcome(ticket) for ticket in tickets]

    assert [type(result) for result in results] == [type(None), TaskAlreadyLive] * 3
    assert [r.event.at_wall for r in journal.events(0, 10)] == [0.0, 2.0, 4.0]


def test_one_batch_may_end_a_session_and_start_the_next_of_its_task(journal: Journal) -> None:
    write(journal, live("a", "t"))
    write(journal, ended("a", "t"), live("b", "t"))

    assert [row.id for row in journal.load().sessions] == ["b"]


def test_an_ending_is_never_changed(journal: Journal) -> None:
    write(journal, live("a", "t"))
    write(journal, ended("a", "t"))
    write(journal, live("a", "t", state="running"), ended("a", "t", at=99.0))

    assert journal.session("a") == ended("a", "t")
    assert journal.load().sessions == ()


def test_an_ending_has_a_time_and_an_outcome() -> None:
    with pytest.raises(ValueError, match="both a time and an outcome"):
        live("a", "t", ended_at=1.0)


# --- submitting -----------------------------------------------------------------------------------------


def test_a_change_of_a_mapping_after_the_submit_is_not_seen(journal: Journal) -> None:
    data = {"n": 1}
    with hold_the_writer(journal):
        ticket = journal.submit([Meta("m", data)])
        data["n"] = 2

    ticket.wait_blocking(BOUND_S)
    assert journal.load().meta == {"m": {"n": 1}}


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_what_json_cannot_hold_is_refused_at_the_submit(journal: Journal, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        journal.submit([Meta("m", value)])


def test_a_name_that_is_no_unicode_is_refused_at_the_submit(journal: Journal) -> None:
    with pytest.raises(UnicodeEncodeError):
        journal.submit([Event(1.0, "x", session="\udce9")])


def test_what_the_database_refuses_fails_its_batch_only(journal: Journal) -> None:
    odd: Any = None
    bad = journal.submit([Event(1.0, "before"), Event(odd, "no time")])
    write(journal, Event(2.0, "after"))

    assert isinstance(bad.error, EntryRefusedError)
    assert [r.event.kind for r in journal.events(0, 10)] == ["after"]


def test_batches_queued_together_share_a_commit(journal: Journal) -> None:
    before = journal.commits
    with hold_the_writer(journal):
        tickets = [journal.submit([Event(float(n), "x")]) for n in range(200)]
    for ticket in tickets:
        ticket.wait_blocking(BOUND_S)

    assert journal.commits - before <= 2  # what the writer had begun with, and all the rest
    assert [r.event.at_wall for r in journal.events(0, 300)] == [float(n) for n in range(200)]


def test_commits_reach_the_disk_before_they_are_acknowledged(journal: Journal) -> None:
    (synchronous,) = journal._for_writer.execute("PRAGMA synchronous").fetchone()
    (mode,) = journal._for_writer.execute("PRAGMA journal_mode").fetchone()

    assert (synchronous, mode) == (2, "wal")  # 2 is FULL


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, on_failure=fail_loudly)
    ticket = journal.submit([Event(1.0, "x")])
    journal.close()
    journal.close()

    ticket.wait_blocking(BOUND_S)
    calls: list[Callable[[], Ticket]] = [lambda: journal.submit([Event(1.0, "y")]), journal.retry]
    for call in calls:
        with pytest.raises(JournalError, match="is closed"):
            call()
    with pytest.raises(JournalError, match="closed"):
        journal.last_seq()


def test_a_clean_close_leaves_one_complete_file_and_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Journal.open(tmp_path, on_failure=fail_loudly) as journal:
        write(journal, Event(1.0, "x"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.db", "lock"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- tickets on an event loop ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_ticket_is_awaited_on_the_loop_and_calls_back_there(journal: Journal) -> None:
    called: list[tuple[Ticket, int]] = []
    early = journal.submit([Event(1.0, "x")])
    early.add_done_callback(lambda ticket: called.append((ticket, threading.get_ident())))
    assert not early.done

    with anyio.fail_after(BOUND_S):
        await early.wait()
        await early.wait()
    early.add_done_callback(lambda ticket: called.append((ticket, threading.get_ident())))
    await asyncio.sleep(0)  # one turn of the loop

    assert early.done
    assert early.error is None
    assert called == [(early, threading.get_ident())] * 2


@pytest.mark.asyncio
async def test_many_waiters_are_answered_in_the_order_of_their_batches(journal: Journal) -> None:
    answered: list[int] = []

    async def wait_for(ticket: Ticket, number: int) -> None:
        await ticket.wait()
        answered.append(number)

    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(wait_for, journal.submit([Event(float(number), "x")]), number)

    assert answered == list(range(100))


@pytest.mark.asyncio
async def test_a_refusal_is_raised_by_the_wait(journal: Journal) -> None:
    first = journal.submit([live("a", "t")])
    second = journal.submit([live("b", "t")])

    with anyio.fail_after(BOUND_S):
        await first.wait()
        with pytest.raises(TaskAlreadyLive):
            await second.wait()


@pytest.mark.asyncio
async def test_a_callback_that_raises_keeps_no_other_from_being_called(journal: Journal) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    ticket = journal.submit([Event(1.0, "x")])
    ticket.add_done_callback(lambda _: 1 / 0)
    ticket.add_done_callback(lambda _: told.append("second"))

    with anyio.fail_after(BOUND_S):
        await ticket.wait()
    await asyncio.sleep(0)

    assert len(told) == 2
    assert "second" in told


def test_a_loop_that_is_gone_does_not_stop_the_writer(journal: Journal) -> None:
    async def leave() -> None:
        journal.submit([Event(1.0, "x")])

    with hold_the_writer(journal):
        anyio.run(leave)
    write(journal, Event(2.0, "y"))

    assert [r.event.kind for r in journal.events(0, 10)] == ["x", "y"]


# --- pruning --------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_pruning_forgets_old_events_and_endings_but_nothing_that_lives(journal: Journal) -> None:
    events = [Event(float(n), "x") for n in range(5000)]
    rows = [ended("old", "t", at=3.0), ended("young", "t", at=4500.0), live("alive", "t", started_at=0.0)]
    journal.submit([*events, *rows, TaskRow("t", {})])

    with anyio.fail_after(BOUND_S):
        removed = await journal.prune(4400.0)

    assert removed == 4401
    assert journal.events(0, 1)[0].event.at_wall == 4400.0
    assert {row.id for row in journal.sessions(10)} == {"young", "alive"}
    assert journal.load().tasks == (TaskRow("t", {}),)


@pytest.mark.asyncio
async def test_pruning_gives_space_back_and_lets_others_write_in_between(
    journal: Journal, tmp_path: Path
) -> None:
    journal.submit([Event(1.0, "x", data={"text": "y" * 400}) for _ in range(9000)])
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as group:
            group.start_soon(journal.prune, 100.0)
            await journal.submit([Event(200.0, "young")]).wait()
    with anyio.fail_after(BOUND_S):
        assert await journal.prune(100.0) == 0
    journal.close()

    assert (tmp_path / "journal.db").stat().st_size < 1_000_000


@pytest.mark.asyncio
async def test_a_journal_that_is_too_large_forgets_its_oldest_events_whatever_their_age(
    journal: Journal, tmp_path: Path
) -> None:
    old = [ended("old", "t", at=3.0), live("alive", "u", started_at=0.0)]
    with anyio.fail_after(BOUND_S):
        await journal.submit(
            [*old, *(Event(float(n), "x", data={"text": "y" * 400}) for n in range(9000))]
        ).wait()
        assert await journal.prune(0.0, 100_000_000) == 0
        assert await journal.prune(0.0, 2_000_000) > 4000
        size = journal.size()
        assert await journal.prune(0.0, 2_000_000) == 0

    assert 1_600_000 < size.bytes < 2_000_000  # no more than need be, however quick the disk is
    assert size.since == 9000.0 - size.events
    assert journal.recent(1)[0].event.at_wall == 8999.0
    assert [row.id for row in journal.sessions(10)] == ["alive"]


@pytest.mark.asyncio
async def test_pruning_leaves_no_hole_where_the_clock_was_set_back(journal: Journal) -> None:
    with anyio.fail_after(BOUND_S):
        await journal.submit([Event(at, "x") for at in (1.0, 50.0, 2.0, 60.0)]).wait()
        assert await journal.prune(10.0) == 1

    assert [r.seq for r in journal.events(0, 10)] == [2, 3, 4]


# --- helpers ----------------------------------------------------------------------------------------------


def outcome(ticket: Ticket) -> JournalError | None:
    try:
        ticket.wait_blocking(BOUND_S)
    except JournalError:
        return ticket.error
    return None


class hold_the_writer:  # noqa: N801  - reads as a phrase
    """Keeps the writer from committing while the block runs, so that batches queue up behind it."""

    def __init__(self, journal: Journal) -> None:
        self._connection = sqlite3.connect(journal.path, timeout=BOUND_S, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()
