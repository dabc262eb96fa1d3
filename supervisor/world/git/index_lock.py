"""Waiting for git's lock on the index: whoever has it is seldom long about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from supervisor.world.git.run import GitError

_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between tries


async def once_unlocked(attempt: Callable[[], Awaitable[object]]) -> None:
    """Do what takes the lock, again and again while somebody else has it.

    Raises:
        GitError: somebody has it for too long, or git failed for another reason.
    """
    for wait in _WAITS:
        try:
            await attempt()
        except GitError as error:
            if "index.lock" not in error.stderr:
                raise
            await anyio.sleep(wait)
        else:
            return
    await attempt()
