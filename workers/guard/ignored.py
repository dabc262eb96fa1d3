"""Which paths git ignores: asked of git itself, one process kept open, the answers remembered.

What no pattern of the rule files could match is not asked for: that is most of what a session writes.
"""

from __future__ import annotations

import os
import select
import signal
import time

from workers.guard.patterns import Patterns
from workers.guard.regular import open_regular

_PATIENCE = 5.0  # seconds that git has for an answer; after that the path counts as not ignored
_FRESH = 0.2  # seconds for which the rule files are taken to be as they were
_REMEMBERED = 10_000  # answers
_WATCHED = 4_000  # rule files, there or not
_NEAR = 64  # folders whose rules are kept together: writes come folder by folder

Signature = tuple[int, int, int]
_ABSENT: Signature = (0, 0, 0)
_NONE = Patterns()  # of all files that are not there


class Ignored:
    """Answers for one work tree. Rule files that change are noticed, and everything is asked again.

    The process is started outside the filter, at the first question; `pid` is 0 while there is none.
    """

    __slots__ = (
        "_answers",
        "_everywhere",
        "_git",
        "_near",
        "_pidfd",
        "_received",
        "_rules",
        "_stdin",
        "_stdout",
        "pid",
    )

    def __init__(self, root: bytes, git: str, common: bytes) -> None:
        self._git = (git, root)
        self._answers: dict[bytes, bool] = {}
        self._rules: dict[bytes, _RuleFile] = {}
        self._near: dict[bytes, _Near] = {}
        self._everywhere = [common + b"/info/exclude"]  # rule files for all paths; the user's own comes first
        self._received = b""
        self._pidfd = self._stdin = self._stdout = -1
        self.pid = 0

    def covers(self, path: bytes) -> bool:
        """Tell whether git ignores a path relative to the root, or a folder that it lies in.

        A file that is tracked all the same is not ignored, nor is a folder that holds one.
        """
        now = time.monotonic()
        top = self._near.get(path[: path.find(b"/") + 1])
        if top is not None and top.is_ignored and now < top.until:
            return True  # as in the folder of a package manager, which has thousands below
        folder = path[: path.rfind(b"/") + 1]
        near = self._near.get(folder)
        if near is None or now >= near.until:
            near = self._look(folder, now)
        if near.is_ignored:
            return True
        for start, patterns in near.rules:
            if patterns.may_match(path[start:]):
                return self._answer(path)
        return False

    def close(self) -> None:
        """End the process."""
        if not self.pid:
            return
        os.close(self._stdin)
        os.close(self._stdout)
        _reap(self._pidfd)  # its input has ended, so it does
        os.close(self._pidfd)
        self.pid, self._received = 0, b""

    def _look(self, folder: bytes, now: float) -> _Near:
        """Look at the rule files that decide about the names in a folder, unless it is ignored with all below it."""
        if len(self._everywhere) == 1:
            self._everywhere.insert(0, self._users_own())
        found = [(0, self._fresh(rule_file, now)) for rule_file in self._everywhere]
        start, below, is_ignored = 0, b"", False  # start of what a folder's own rules are about
        while not is_ignored:
            rule_file = self._git[1] + b"/" + folder[:start] + b".gitignore"
            found.append((start, self._fresh(rule_file, now)))
            end = folder.find(b"/", start) + 1
            if not end:
                break
            below = folder[:end]
            is_ignored = any(file.patterns.may_match(below[at:]) for at, file in found) and self._answer(
                below
            )
            start = end
        if len(self._near) >= _NEAR:
            self._near.clear()
        near = self._near[folder] = _Near(found, is_ignored=is_ignored)
        if is_ignored:
            self._near[below] = near
        return near

    def _fresh(self, rule_file: bytes, now: float) -> _RuleFile:
        """Return what a rule file says now. When it has changed, everything is asked again."""
        known = self._rules.get(rule_file)
        if known is not None and now < known.seen_at + _FRESH:
            return known
        signature = _signature(rule_file)
        if known is not None and known.signature == signature:
            known.seen_at = now
            return known
        if known is not None:
            self._give_up()  # it read the old rules
            self._answers.clear()
            self._near.clear()
        elif len(self._rules) >= _WATCHED:
            self._give_up()  # it would not be noticed that one is there now of those that are forgotten
            self._answers.clear()
            kept = {path: file for path, file in self._rules.items() if file.signature != _ABSENT}
            self._rules = kept if len(kept) < _WATCHED // 2 else {}
        found = self._rules[rule_file] = _RuleFile(rule_file, signature, now)
        return found

    def _users_own(self) -> bytes:
        """Ask git for the rule file of the user's own configuration; where none is named, it has a default."""
        named = self._configured("core.excludesFile")
        if named:
            return os.path.join(self._git[1], named)
        config = os.environb.get(b"XDG_CONFIG_HOME") or os.environb.get(b"HOME", b"") + b"/.config"
        return config + b"/git/ignore"

    def _configured(self, key: str) -> bytes:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        with open(reader, "rb") as answer:
            try:
                pid = self._spawn(["config", "--path", key], (-1, writer))
            except OSError:
                return b""
            finally:
                os.close(writer)
            found = answer.read()
        os.waitpid(pid, 0)
        return found.strip()

    def _answer(self, path: bytes) -> bool:
        known = self._answers.get(path)
        if known is None:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            known = self._answers[path] = self._ask(path)
        return known

    def _ask(self, path: bytes) -> bool:
        try:
            if not self.pid:
                self._start()
            os.write(self._stdin, path + b"\0")
            source, _line, pattern, _path = self._fields()
        except (OSError, EOFError):
            self._give_up()  # a path inside a submodule ends git, for one
            return False
        return source != b"" and not pattern.startswith(b"!")

    def _start(self) -> None:
        theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
        ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
        try:
            pid = self._spawn(["check-ignore", "--stdin", "-z", "-v", "-n"], (theirs_in, theirs_out))
        except OSError:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._pidfd = os.pidfd_open(pid)
        self.pid, self._stdin, self._stdout = pid, ours_in, ours_out

    def _spawn(self, words: list[str], ends: tuple[int, int]) -> int:
        """Start git in the work tree with these descriptors as input (-1: none) and output; return its pid."""
        program, root = self._git
        quiet = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            return os.posix_spawn(
                program,
                [program, "-C", os.fsdecode(root), *words],
                {"PATH": os.environ.get("PATH", os.defpath), "GIT_OPTIONAL_LOCKS": "0", "GIT_FLUSH": "1"}
                | {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, ends[0] if ends[0] >= 0 else quiet, 0),
                    (os.POSIX_SPAWN_DUP2, ends[1], 1),
                    (os.POSIX_SPAWN_DUP2, quiet, 2),
                ],
            )
        finally:
            os.close(quiet)

    def _fields(self) -> list[bytes]:
        ready = select.poll()
        ready.register(self._stdout, select.POLLIN)
        while self._received.count(b"\0") < 4:
            if not ready.poll(_PATIENCE * 1000):
                raise EOFError
            piece = os.read(self._stdout, 65536)
            if not piece:
                raise EOFError
            self._received += piece
        *fields, self._received = self._received.split(b"\0", 4)
        return fields

    def _give_up(self) -> None:
        if self.pid:
            _kill(self._pidfd)
            self.close()


def _kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return  # reaped already; its number may be another's by now


def _reap(pidfd: int) -> None:
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    except ChildProcessError:
        return  # it had ended before, and was reaped with the other children


class _RuleFile:
    """A rule file as it was at `seen_at` (monotonic clock)."""

    __slots__ = ("patterns", "seen_at", "signature")

    def __init__(self, path: bytes, signature: Signature, now: float) -> None:
        self.signature = signature
        self.seen_at = now
        self.patterns = _NONE if signature == _ABSENT else _read(path)


class _Near:
    """The rules for the names in one folder, each with where in a path begins what it is about; or all is ignored there.

    After `until` (monotonic clock) they may have changed.
    """

    __slots__ = ("is_ignored", "rules", "until")

    def __init__(self, found: list[tuple[int, _RuleFile]], *, is_ignored: bool) -> None:
        self.is_ignored = is_ignored
        self.until = min(file.seen_at for _, file in found) + _FRESH
        self.rules = [(start, file.patterns) for start, file in found if not file.patterns.is_empty()]


def _read(rule_file: bytes) -> Patterns:
    try:
        with open(open_regular(rule_file), "rb") as file:
            rules = file.read()
    except OSError:
        return _NONE
    return Patterns(rules)


def _signature(path: bytes) -> Signature:
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    return (status.st_mtime_ns, status.st_size, status.st_ino)
