"""Socket addresses that fit: the kernel takes 107 bytes, and folders lie deeper than that."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from workers.session.address import ROOM


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name for `path` that fits into a socket address, however deep it lies.

    Raises:
        OSError: its folder cannot be opened.
    """
    if len(os.fsencode(path)) < ROOM:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
