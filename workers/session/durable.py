"""Small JSON files that are whole or absent, whatever crashes."""

from __future__ import annotations

import errno
import json
import os
import stat

from workers.session.failpoint import failpoint


def reserve(path: str, size: int) -> None:
    """Set `size` bytes aside on the disk for the next write of `path`, which finds room even if nothing else does.

    Raises:
        OSError: there is no room now.
    """
    fd = _open(path + ".tmp")
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)


def write_whole(path: str, content: dict[str, object]) -> None:
    """Replace `path` by `content` in one step; readers never see half of it.

    It survives the end of this process, not a power cut: use `write_durable` for that.
    """
    _write(path, content, sync=False)


def write_durable(path: str, content: dict[str, object]) -> None:
    """Replace `path` by `content` and return when that survives a power cut.

    Raises:
        OSError: it could not be written (ENOSPC, EDQUOT, EROFS, ...); the old file is untouched.
    """
    _write(path, content, sync=True)


def _write(path: str, content: dict[str, object], *, sync: bool) -> None:
    temporary = path + ".tmp"
    fd = _open(temporary)
    try:
        rest = memoryview(json.dumps(content).encode() + b"\n")
        size = len(rest)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.ftruncate(fd, size)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    if sync:
        failpoint("durable.written")
    os.rename(temporary, path)
    if sync:
        failpoint("durable.renamed")
        _sync_folder(os.path.dirname(path))


def _open(path: str) -> int:
    """Open a file to write, whatever the session has put in its place: a pipe that nobody reads would be waited for."""
    # Not O_TRUNC: that would give away what is reserved there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.ELOOP}:
            raise
    else:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
    os.unlink(path)
    return os.open(path, flags | os.O_EXCL, 0o600)


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
