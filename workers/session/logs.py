"""The session's two logs and the notices to it, with the watch that keeps the logs within their limit."""

from __future__ import annotations

import errno
import os
import select
import stat

from workers.session.clock import FOREVER, boottime
from workers.session.kernel import ModifyWatch
from workers.session.logfile import CappedLog
from workers.session.place import note

_COOL_DOWN = 1.0  # seconds between two looks at a log that is being written
_MOST_NOTICES = 1 << 20  # bytes
# The session owns the folder: a link there would lead the worker, whom no lease binds, to a file of others.
_TO_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_BLIND = 30.0  # the same where nothing tells of writes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.loop import Loop


class Logs:
    """out.log and err.log: the harness writes to the files themselves, the worker drops their middles."""

    __slots__ = ("_watch", "check_at", "err", "out")

    def __init__(self, folder: str, limit: int) -> None:
        self.out = CappedLog(os.path.join(folder, "out.log"), limit)
        self.err = CappedLog(os.path.join(folder, "err.log"), limit)
        self._watch: ModifyWatch | None = None
        self.check_at = FOREVER

    def attach(self, loop: Loop) -> None:
        """Have the loop tell of writes; where inotify is used up, look at the clock's bidding instead."""
        try:
            watch = ModifyWatch((self.out.path, self.err.path))
            watch.set()
        except OSError as error:
            note(f"the logs are looked at every {_BLIND:g} s, as inotify is not to be had: {error.strerror}")
            self.check_at = boottime() + _BLIND
            return
        loop.watch(watch.fd, select.POLLIN, lambda _mask: self._written(watch))
        self._watch = watch

    def check(self, now: float) -> None:
        """Bring the logs back within their limit if a look is due."""
        if now < self.check_at:
            return
        self.check_at = self._next_look(now)
        self.trim()

    def _next_look(self, now: float) -> float:
        if self._watch is not None:
            try:
                self._watch.set()  # before the look, so that a write between the two is not missed
            except OSError as error:
                note(f"the logs are not watched for {_BLIND:g} s: {error.strerror}")
            else:
                return FOREVER
        return now + _BLIND

    def trim(self) -> None:
        """Bring the logs back within their limit."""
        for log in (self.out, self.err):
            try:
                log.trim()
            except OSError as error:
                note(f"{log.path} is over its limit and cannot be cut: {error.strerror}")

    def sacrifice(self) -> None:
        """Give up all but the ends of both logs, in order to make room on a full disk."""
        for log in (self.out, self.err):
            try:
                log.sacrifice()
            except OSError as error:
                note(f"{log.path} cannot be cut: {error.strerror}")

    def silent(self) -> bool:
        """Tell whether not one byte has been written to either."""
        return not self.out.size() and not self.err.size()

    def report(self) -> dict[str, object]:
        """Return for each log how many bytes were written and how many of them dropped."""
        return {"out": self.out.report(), "err": self.err.report()}

    def _written(self, watch: ModifyWatch) -> None:
        watch.acknowledge()
        self.check_at = min(self.check_at, boottime() + _COOL_DOWN)


class Notices:
    """The file in which the session is told things; its path is in the session's environment."""

    __slots__ = ("_path",)

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "notice")
        os.close(os.open(self._path, _TO_APPEND, 0o600))

    def add(self, text: str) -> None:
        """Append `text` as one line; before the file grows large, it begins anew.

        Raises:
            OSError: it could not be written, or the session has put something else than a file there.
        """
        fd = os.open(
            self._path, _TO_APPEND | os.O_NONBLOCK, 0o600
        )  # a pipe that nobody reads would be waited for
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", self._path)
            if status.st_nlink != 1:
                raise OSError(errno.EMLINK, "a file with another name too", self._path)
            if status.st_size >= _MOST_NOTICES:
                os.ftruncate(fd, 0)
                os.write(fd, b"[earlier notices dropped]\n")
            os.write(fd, " ".join(text.split()).encode(errors="replace") + b"\n")
        finally:
            os.close(fd)
