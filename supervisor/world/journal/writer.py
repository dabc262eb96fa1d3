"""The one thread that owns the writing connection, and commits in groups.

Whatever is queued when a commit begins shares that commit, so that the cost of reaching the disk is
paid once for all who wait. When a commit fails the thread stops trying: everything not yet written
is kept in order, and each later batch is kept behind it, until `Retry` finds room again.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.world.failpoint import failpoint
from supervisor.world.journal.errors import (
    EntryRefusedError,
    JournalError,
    JournalOverflowError,
    TaskAlreadyLive,
    explain,
)
from supervisor.world.journal.pruning import Pruning
from supervisor.world.journal.statements import SESSION_UPSERT, Statement
from supervisor.world.journal.ticket import DURABLE, Result, Ticket, call_on, settle

CAPACITY = 100_000  # entries not yet durable; beyond it they are refused, for memory is bounded too
_GROUP = 1_000  # jobs that share a commit at most, so that none waits for an endless one


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements that are written together or not at all."""

    statements: Sequence[Statement]
    ticket: Ticket = field(default_factory=Ticket)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again to write what was kept."""

    ticket: Ticket = field(default_factory=Ticket)


@dataclass(frozen=True, slots=True)
class Finish:
    """Write what is queued and kept, then end the thread."""


Job = Batch | Retry | Pruning | Finish


class Writer:
    """Starts the thread on construction; `put` feeds it and `finish` ends it."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, on_failure: Callable[[JournalError], object]
    ) -> None:
        self.commits = 0
        self.failure: JournalError | None = None
        self._connection = connection
        self._path = path
        self._on_failure = on_failure
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._kept: list[Batch] = []
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, job: Retry | Pruning) -> None:
        """Queue a job that carries no entries."""
        self._jobs.put(job)

    def put_batch(self, batch: Batch) -> None:
        """Queue a batch; one too many is refused through its ticket."""
        with self._counting:
            fits = self._waiting + len(batch.statements) <= CAPACITY
            if fits:
                self._waiting += len(batch.statements)
        if fits:
            self._jobs.put(batch)
            return
        why = self.failure or "its disk is too slow"
        error = JournalOverflowError(f"{self._path}: {CAPACITY} entries wait to be written ({why}); not kept")
        settle([(batch.ticket, error)])

    def finish(self) -> int:
        """Write what can be written, end the thread and return how many entries were lost."""
        self._jobs.put(Finish())
        self._thread.join()
        return sum(len(batch.statements) for batch in self._kept)

    def _run(self) -> None:
        while True:
            batches: list[Batch] = []
            for job in self._gather():
                match job:
                    case Batch():
                        batches.append(job)
                    case Retry(ticket):
                        self._write(batches)
                        batches = []
                        settle([(ticket, self._write_kept())])
                    case Pruning():
                        self._write(batches)
                        batches = []
                        self._prune(job)
                    case Finish():
                        self._write(batches)
                        self._write_kept()
                        return
            self._write(batches)

    def _gather(self) -> list[Job]:
        jobs = [self._jobs.get()]
        try:
            while len(jobs) < _GROUP:
                jobs.append(self._jobs.get_nowait())
        except queue.Empty:
            pass
        return jobs

    def _write(self, batches: list[Batch]) -> None:
        if not batches:
            return
        if self.failure is not None:
            self._keep(batches, self.failure)
            return
        try:
            results = self._commit(batches)
        except Exception as error:  # noqa: BLE001  - nobody may wait for ever, whatever it was
            self.failure = self._explain(error)
            self._announce(self.failure, batches[0].ticket)
            self._keep(batches, self.failure)
        else:
            self._done(batches)
            settle(results)

    def _write_kept(self) -> Result:
        if self.failure is None:
            return DURABLE
        try:
            results = self._commit(self._kept)
        except Exception as error:  # noqa: BLE001  - as above
            self.failure = self._explain(error)
            return self.failure
        self._done(self._kept)
        settle(results)
        self._kept = []
        self.failure = None
        return DURABLE

    def _announce(self, error: JournalError, first: Ticket) -> None:
        if first.loop is None:
            self._on_failure(error)
        else:
            call_on(first.loop, self._on_failure, error)

    def _keep(self, batches: list[Batch], error: JournalError) -> None:
        self._kept.extend(batches)
        settle([(batch.ticket, error) for batch in batches])

    def _done(self, batches: Sequence[Batch]) -> None:
        with self._counting:
            self._waiting -= sum(len(batch.statements) for batch in batches)

    def _commit(self, batches: Sequence[Batch]) -> list[tuple[Ticket, Result]]:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            results = [(batch.ticket, self._apply(batch.statements)) for batch in batches]
            failpoint("journal.before_commit")
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled back by itself
                execute("ROLLBACK")
            raise
        failpoint("journal.committed")
        self.commits += 1
        return results

    def _apply(self, statements: Sequence[Statement]) -> Result:
        execute = self._connection.execute
        execute("SAVEPOINT batch")
        for sql, values in statements:
            try:
                execute(sql, values)
            except (
                sqlite3.IntegrityError,
                sqlite3.DataError,
                sqlite3.InterfaceError,
                OverflowError,
            ) as error:
                refused = self._refusal(sql, values, error)
                execute("ROLLBACK TO batch")
                execute("RELEASE batch")
                return refused
        execute("RELEASE batch")
        return DURABLE

    def _refusal(self, sql: str, values: Sequence[object], error: Exception) -> EntryRefusedError:
        unique = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE
        if sql is SESSION_UPSERT and unique:
            task = str(values[1])
            query = "SELECT id FROM sessions WHERE task = ? AND ended_at IS NULL"
            (holder,) = self._connection.execute(query, (task,)).fetchone()
            return TaskAlreadyLive(task, holder)
        return EntryRefusedError(f"{self._path} refused an entry ({error}): {values!r}")

    def _prune(self, job: Pruning) -> None:
        try:
            finished = job.step(self._connection)
        except Exception as error:  # noqa: BLE001  - as above
            settle([(job.ticket, self._explain(error))])
            return
        if finished:
            settle([(job.ticket, DURABLE)])
        else:
            self._jobs.put(job)  # behind what was queued meanwhile

    def _explain(self, error: Exception) -> JournalError:
        if isinstance(error, sqlite3.Error):
            return explain(error, self._path)
        return JournalError(f"{self._path} could not be written: {error!r}")
