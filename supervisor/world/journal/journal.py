"""The journal of a running supervisor: written in groups by one thread, read beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from supervisor.world.journal.entries import Entry
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.opening import NAME, Opened, Recovery, open_for_writing
from supervisor.world.journal.pruning import Pruning
from supervisor.world.journal.reader import Reader
from supervisor.world.journal.statelock import StateLock
from supervisor.world.journal.statements import statement
from supervisor.world.journal.ticket import Ticket
from supervisor.world.journal.writer import Batch, Retry, Writer


class Journal(Reader):
    """What must survive a crash; made with `open`, and a `Reader` of what is durable.

    `recovery` says that a damaged file was moved aside, `old_copy` where the file of an older schema
    was kept before it was changed.
    """

    def __init__(self, opened: Opened, lock: StateLock, on_failure: Callable[[JournalError], object]) -> None:
        super().__init__(opened.path)
        self.recovery: Recovery | None = opened.recovery
        self.old_copy: Path | None = opened.copy
        self._lock_on_state = lock
        self._for_writer = opened.connection
        self._closed = False
        self._writer = Writer(opened.connection, opened.path, on_failure)

    @classmethod
    def open(
        cls,
        state_dir: Path,
        *,
        on_failure: Callable[[JournalError], object],
        recover: bool = False,
        lock: StateLock | None = None,
    ) -> Journal:
        """Lock `state_dir`, unless `lock` was taken before, open the journal in it, and count one generation up.

        `on_failure` is called once when writing begins to fail: on the event loop of the batch that
        failed first, on the journal's thread if that had none.

        Raises:
            JournalLockedError: another supervisor has the directory.
            JournalTooNewError: a newer version wrote the file.
            JournalCorruptError: the file is damaged; with `recover` it is moved aside instead.
            JournalError: the directory or the file cannot be used.
        """
        lock = lock or StateLock.acquire(state_dir)
        try:
            opened = open_for_writing(state_dir, recover=recover)
            try:
                return cls(opened, lock, on_failure)
            except BaseException:
                opened.connection.close()
                raise
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def open_reader(state_dir: Path) -> Reader:
        """Open the journal in `state_dir` for reading, from any process, with or without a supervisor.

        Raises:
            JournalError: it is missing, of another schema, damaged or unreadable.
        """
        return Reader(state_dir / NAME)

    @property
    def failure(self) -> JournalError | None:
        """Why nothing can be written just now; `None` while all is well."""
        return self._writer.failure

    @property
    def commits(self) -> int:
        """How many groups were written since `open`."""
        return self._writer.commits

    @property
    def in_place(self) -> bool:
        """Whether the state directory is still there, and the same."""
        return self._lock_on_state.intact()

    def submit(self, entries: Sequence[Entry]) -> Ticket:
        """Queue `entries` to be written in order, all or none; return at once.

        Raises:
            JournalError: the journal is closed.
            TypeError: a value is nothing that JSON can hold.
            ValueError: a number is not finite, or a name is not valid Unicode.
        """
        self._require_open()
        batch = Batch([statement(entry) for entry in entries])
        self._writer.put_batch(batch)
        return batch.ticket

    def retry(self) -> Ticket:
        """Try again to write what was kept since writing failed; later batches follow by themselves.

        Raises:
            JournalError: the journal is closed.
        """
        self._require_open()
        job = Retry()
        self._writer.put(job)
        return job.ticket

    async def prune(self, before_wall: float, most_bytes: int | None = None) -> int:
        """Delete events and ended sessions older than `before_wall` (Unix seconds); return how many.

        Where the rest takes more than `most_bytes`, the oldest goes too. Unused space is given back.

        Raises:
            JournalError: it could not be done, or only in part.
        """
        self._require_open()
        job = Pruning(before_wall, most_bytes)
        self._writer.put(job)
        await job.ticket.wait()
        return job.removed

    def close(self) -> None:
        """Write what is queued, close the file and give up the lock; a second call does nothing.

        Raises:
            JournalError: entries that were kept since writing failed are lost; it is closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        lost = self._writer.finish()
        super().close()
        try:
            self._for_writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # the log is complete without it, and is read at the next opening
        finally:
            self._for_writer.close()
            self._lock_on_state.release()
        if lost:
            raise JournalError(f"{lost} entries were lost: {self._writer.failure}")

    def _require_open(self) -> None:
        if self._closed:
            raise JournalError(f"{self.path} is closed; nothing can be written any more")
