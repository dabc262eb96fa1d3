"""When the journal cannot be written: start nothing new, try again, and go on once it can."""

from __future__ import annotations

from supervisor.core.decisions import orders
from supervisor.core.decisions.admission import Open, Paused
from supervisor.core.decisions.effects import Effect
from supervisor.core.moment import Moment
from supervisor.daemon.authority import Authority
from supervisor.daemon.pacing_memory import JOURNAL as _BY
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.ticket import Ticket

RETRY = 5.0  # seconds between two attempts


class JournalWatch:
    """Pauses the supervisor while the journal fails. What could not be written is kept and retried."""

    def __init__(self) -> None:
        self._authority: Authority | None = None
        self._journal: Journal | None = None
        self._retry_at: float | None = None

    def begin(self, authority: Authority, journal: Journal) -> None:
        """Watch from now on; before there are tables, whoever writes sees by itself that it failed."""
        self._authority, self._journal = authority, journal
        authority.on_time(self._seconds_left, self._ring)

    def failed(self, error: JournalError) -> None:
        """Pause, because nothing that must survive a crash can be promised now."""
        authority = self._authority
        if authority is None:
            return
        now = authority.now()
        self._retry_at = now.mono + RETRY
        if isinstance(authority.tables.admission, Open):
            authority.do(orders.admit(authority.tables, Paused(_BY, str(error), now.wall), _BY, now))
        authority.alarm.look()

    def _seconds_left(self, now: Moment) -> float | None:
        return None if self._retry_at is None else max(0.0, self._retry_at - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        if self._retry_at is None or self._journal is None or now.mono < self._retry_at:
            return []
        self._retry_at = None
        self._journal.retry().add_done_callback(self._retried)
        return []

    def _retried(self, ticket: Ticket) -> None:
        authority = self._authority
        assert authority is not None  # noqa: S101  - nothing was tried again before it began
        now = authority.now()
        if ticket.error is not None:
            self._retry_at = now.mono + RETRY
            authority.alarm.look()
            return
        admission = authority.tables.admission
        if isinstance(admission, Paused) and admission.by == _BY:
            authority.do(orders.admit(authority.tables, Open(), _BY, now))
