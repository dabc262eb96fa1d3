"""Small JSON files that are whole or absent, whatever crashes."""

from __future__ import annotations

import json
import os

from workers.session.failpoint import failpoint


def reserve(path: str, size: int) -> None:
    """Set `size` bytes aside on the disk for the next write of `path`, which finds room even if nothing else does.

    Raises:
        OSError: there is no room now.
    """
    fd = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    # Not O_TRUNC: that would give away what is reserved there.
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
