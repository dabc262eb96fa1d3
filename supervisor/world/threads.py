"""Work that blocks, beside the event loop; where the host has no thread to give, in the loop itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio.to_thread

Args = TypeVarTuple("Args")
T = TypeVar("T")

_NONE_LEFT = "can't start new thread"  # what Python says when the host, or a limit of processes, refuses one


async def in_thread(function: Callable[[*Args], T], *args: *Args, abandon_on_cancel: bool = False) -> T:
    """Return what `function` returns, run in a thread of the pool.

    A supervisor that cannot have one stands still for as long as it takes, which is better than to end.
    """
    try:
        return await anyio.to_thread.run_sync(function, *args, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError as error:
        if str(error) != _NONE_LEFT:
            raise
    return function(*args)
