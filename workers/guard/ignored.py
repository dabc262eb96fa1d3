"""Which paths git ignores: asked of git itself, one process kept open, the answers remembered."""

from __future__ import annotations

import os
import select
import time

_PATIENCE = 5.0  # seconds that git has for an answer; after that the path counts as not ignored
_FRESH = 0.2  # seconds for which the rule files are taken to be as they were
_REMEMBERED = 50_000  # answers

Signature = tuple[int, int, int]


class Ignored:
    """Answers for one work tree. Rule files that change are noticed, and everything is asked again.

    The process is started outside the filter, at the first question; `pid` is 0 while there is none.
    """

    __slots__ = ("_answers", "_checked_at", "_git", "_received", "_rules", "_stdin", "_stdout", "pid")

    def __init__(self, root: bytes, git: str, common: bytes) -> None:
        self._git = (git, root)
        self._answers: dict[bytes, bool] = {}
        self._rules: dict[bytes, Signature] = {}
        self._checked_at = 0.0
        self._received = b""
        self._stdin = self._stdout = -1
        self.pid = 0
        self._watch(common + b"/info/exclude")
        self._watch(root + b"/.gitignore")

    def covers(self, path: bytes) -> bool:
        """Tell whether git ignores a path relative to the root, or a folder that it lies in.

        A file that is tracked all the same is not ignored, nor is a folder that holds one.
        """
        self._look_at_rules()
        at = path.find(b"/")
        while at >= 0:
            folder = path[: at + 1]
            if self._answer(folder):
                return True
            self._watch(self._git[1] + b"/" + folder + b".gitignore")
            at = path.find(b"/", at + 1)
        return self._answer(path)

    def close(self) -> None:
        """End the process."""
        if not self.pid:
            return
        os.close(self._stdin)
        os.close(self._stdout)
        os.waitpid(self.pid, 0)  # its input has ended, so it does
        self.pid, self._received = 0, b""

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
        program, root = self._git
        theirs_in, self._stdin = os.pipe2(os.O_CLOEXEC)
        self._stdout, theirs_out = os.pipe2(os.O_CLOEXEC)
        quiet = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self.pid = os.posix_spawn(
                program,
                [program, "-C", os.fsdecode(root), "check-ignore", "--stdin", "-z", "-v", "-n"],
                {"PATH": os.environ.get("PATH", os.defpath), "GIT_OPTIONAL_LOCKS": "0", "GIT_FLUSH": "1"}
                | {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_DUP2, quiet, 2),
                ],
            )
        finally:
            for fd in (theirs_in, theirs_out, quiet):
                os.close(fd)

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
            os.kill(self.pid, 9)  # our own child, not yet reaped
            self.close()

    def _watch(self, rule_file: bytes) -> None:
        if rule_file not in self._rules:
            self._rules[rule_file] = _signature(rule_file)

    def _look_at_rules(self) -> None:
        now = time.monotonic()
        if now < self._checked_at + _FRESH:
            return
        self._checked_at = now
        if any(_signature(path) != seen for path, seen in self._rules.items()):
            self._give_up()  # it read the old rules
            self._answers.clear()
            self._rules = {path: _signature(path) for path in self._rules}


def _signature(path: bytes) -> Signature:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
