"""Waiting for what files and processes announce: the kernel says when to look again, and nothing is looked at between."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from asyncinotify import Inotify, Mask

T = TypeVar("T")

_CHANGED = Mask.CREATE | Mask.MODIFY | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE


def until(
    found: Callable[[], T],
    places: Collection[Path],
    limit: float,
    process: subprocess.Popen[Any] | None = None,
) -> T | None:
    """Return the first thing that is true of what `found` returns; None when it was not within `limit` seconds.

    It is looked for at once, and whenever something in one of the `places` (folders, or files) changes or the
    process ends. A place that is not there yet is waited for in the nearest folder around it.
    """
    deadline = time.monotonic() + limit
    waiting = select.poll()
    pidfd = os.pidfd_open(process.pid) if process is not None and process.poll() is None else None
    try:
        with Inotify(sync_timeout=0) as inotify:
            waiting.register(inotify.fd, select.POLLIN)
            if pidfd is not None:
                waiting.register(pidfd, select.POLLIN)
            while True:
                for place in places:
                    inotify.add_watch(_nearest(place), _CHANGED)  # before the look, so that nothing is missed
                if (result := found()) or time.monotonic() >= deadline:
                    return result or None
                ready = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
                if pidfd is not None and pidfd in dict(ready):
                    waiting.unregister(pidfd)
                while inotify.sync_get() is not None:
                    pass
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _nearest(place: Path) -> Path:
    return next(path for path in (place, *place.parents) if path.exists())
