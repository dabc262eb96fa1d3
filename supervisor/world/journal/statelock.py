"""One supervisor per state directory, kept by a lock that the kernel frees when the process dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from supervisor.world.journal.errors import JournalError, JournalLockedError
from supervisor.world.journal.locks import lock_holders

_NAME = "lock"


class StateLock:
    """The exclusive right to a state directory, held until `release` or the end of the process.

    Make it with `acquire`. The pid in the file is for people and for hosts where the kernel's list
    of locks cannot be read; the lock itself is what counts.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, state_dir: Path, answers_at: Path | None = None) -> StateLock:
        """Take the lock on `state_dir`, which is made (mode 0700) if it is missing.

        Since when, and where this supervisor answers, is written into it for whoever comes second.

        Raises:
            JournalLockedError: another process has it; the error names the pid if it can be known.
            JournalError: the directory cannot be made or written.
        """
        path = state_dir / _NAME
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"{state_dir} cannot be used as state directory ({error.strerror}); "
                "make it writable, or set another supervisor.state_dir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
            os.pwrite(descriptor, f"{os.getpid()}\n{since}\n{answers_at or ''}\n".encode(), 0)
        except BlockingIOError:
            os.close(descriptor)
            raise JournalLockedError(path, *_holder(path)) from None
        except OSError as error:
            os.close(descriptor)
            raise JournalError(f"{path}: {error.strerror}; free space on its file system") from error
        return cls(path, descriptor)

    def intact(self) -> bool:
        """Tell whether the directory is still the one that was locked: not removed, moved or replaced."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return self._descriptor is not None and os.path.samestat(found, os.fstat(self._descriptor))

    def release(self) -> None:
        """Give the directory up; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(path: Path) -> tuple[int | None, str, str]:
    """Return the pid of the holder, since when it has the lock, and where it answers; as far as is known."""
    holders = lock_holders(path)
    try:
        pid, since, answers_at = [*path.read_text(errors="replace").splitlines(), "", "", ""][:3]
        written = int(pid)
    except (OSError, ValueError):
        return (holders[0] if holders else None), "", ""
    if holders and written not in holders:
        return holders[0], "", ""
    if not holders and not Path(f"/proc/{written}").exists():
        return None, "", ""  # it was left by an earlier holder
    return written, since, answers_at
