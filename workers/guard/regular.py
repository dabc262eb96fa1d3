"""Opening a file that a session may have put another kind of file in the place of: a pipe would stop the worker."""

from __future__ import annotations

import errno
import os
import stat


def open_regular(path: bytes) -> int:
    """Return a descriptor to read the regular file at a path, without ever waiting for anybody.

    Raises:
        OSError: it is not there, may not be read, or is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file", os.fsdecode(path))
