"""Fencing tokens for the next while: a block is durable before one of its numbers is given."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from supervisor.core.leases.fencing import Tokens
from supervisor.daemon.recorder import Recorder
from supervisor.world.journal.entries import Meta
from supervisor.world.journal.ticket import Ticket

log = structlog.get_logger("leasehold")

CEILING = "tokens.ceiling"
BLOCK = 1 << 20  # a million grants between two writes


class TokenBlocks:
    """Reserves blocks ahead of need; `changed` is called when more tokens may be given."""

    def __init__(self, tokens: Tokens, recorder: Recorder, changed: Callable[[], None]) -> None:
        self._tokens = tokens
        self._recorder = recorder
        self._changed = changed
        self._asked = tokens.ceiling

    async def first(self) -> None:
        """Reserve the first block of this run.

        Raises:
            JournalError: it could not be made durable; nothing may be granted.
        """
        ceiling = self._next()
        await self._recorder.submit([Meta(CEILING, ceiling)]).wait()
        self._tokens.reserve(ceiling)

    def look(self) -> None:
        """Ask for another block when the present one runs low."""
        if self._tokens.left > BLOCK // 2 or self._asked > self._tokens.ceiling:
            return
        ceiling = self._next()
        ticket = self._recorder.submit([Meta(CEILING, ceiling)])

        def durable(done: Ticket) -> None:
            if done.error is not None:
                self._asked = self._tokens.ceiling
                log.error("tokens.not_reserved", why=str(done.error))
                return
            self._tokens.reserve(ceiling)
            self._changed()

        ticket.add_done_callback(durable)

    def _next(self) -> int:
        self._asked = self._tokens.ceiling + BLOCK
        return self._asked
