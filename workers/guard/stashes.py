"""Git's list of stashes, which all work trees of a repository share: a session takes away only what it put there.

`git stash pop` takes the newest entry, whoever made it: the human's of last week, where there was nothing to stash,
or that of another session.
"""

from __future__ import annotations

import os

from workers.guard.regular import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.gitline import CommandLine

_MOST = 1 << 20  # bytes of the list, from its end
_SESSIONS = b"leasehold/"  # begins the names of sessions' own branches


class _Entry:
    """One stash: `at` in Unix seconds, the branch that it was made on, and what git says of it."""

    __slots__ = ("at", "branch", "said")

    def __init__(self, line: bytes) -> None:
        head, _, self.said = line.partition(b"\t")
        when = head.rpartition(b"> ")[2].split(b" ")[0]
        self.at = int(when) if when.isdigit() else 0
        on = self.said.removeprefix(b"WIP ").lower().removeprefix(b"on ")
        self.branch = on.partition(b": ")[0]


class Stashes:
    """The stashes of the repository whose shared folder is `git_dir`, for a session that began `since` (Unix seconds).

    `own` is the session's own branch, empty where it has none.
    """

    __slots__ = ("_log", "_own", "_since")

    def __init__(self, git_dir: bytes, own: bytes, since: float) -> None:
        self._log = git_dir + b"/logs/refs/stash"
        self._own = own.lower()
        self._since = int(since)

    def spared(self, command: CommandLine) -> str | None:
        """Return why a git command may not be run, in a sentence, when it would take others' stashes away."""
        wanted = _wanted(command)
        if wanted is None:
            return None
        entries = self._entries()
        applies = command.command == b"stash" and command.words[:1] == [b"apply"]
        for number, entry in enumerate(entries):
            if wanted not in (number, _ALL):
                continue
            if self._is_anothers(entry):
                whose = "another session's"
            elif not applies and entry.at < self._since and entry.branch != self._own:
                whose = "from before this session began"
            else:
                continue
            return self._told(number, entry, whose, entries)
        return None

    def _is_anothers(self, entry: _Entry) -> bool:
        return entry.branch.startswith(_SESSIONS) and entry.branch != self._own

    def _told(self, number: int, entry: _Entry, whose: str, entries: list[_Entry]) -> str:
        said = entry.said.decode("utf-8", "replace")
        own = [n for n, e in enumerate(entries) if e.at >= self._since and not self._is_anothers(e)]
        if own:
            hint = f"the newest of this session's own is stash@{{{own[0]}}}"
        elif whose.startswith("another"):
            hint = "this session has stashed nothing"
        else:
            hint = f"`git stash apply stash@{{{number}}}` takes it up and leaves it in the list"
        return f"stash@{{{number}}} ({said}) is {whose}, so it stays where it is; {hint}"

    def _entries(self) -> list[_Entry]:
        """Return the list, newest first."""
        try:
            with open(open_regular(self._log), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - _MOST))
                lines = file.read(_MOST).splitlines()
        except OSError:
            return []
        return [_Entry(line) for line in reversed(lines)]


_ALL = -1


def _wanted(command: CommandLine) -> int | None:
    """Return which entry a command would take: its number, or `_ALL`; `None` for none."""
    words = [word for word in command.words if not word.startswith(b"-")]
    first, *rest = words or [b""]
    if command.command == b"stash":
        if first == b"clear":
            return _ALL
        if first in {b"pop", b"drop", b"apply"}:
            named = rest[:1]
        elif first == b"branch":
            named = rest[1:2]
        else:
            return None
        number = _number(named[0]) if named else 0
        return (None if first == b"apply" else _ALL) if number is None else number
    if command.command == b"reflog" and (first == b"delete" or (first == b"expire" and _has_limit(command))):
        for word in rest:
            if b"stash" in word:
                number = _number(word)
                return _ALL if number is None else number
        return _ALL if b"--all" in command.words else None
    if command.command == b"update-ref" and b"refs/stash" in words:
        return _ALL
    return None


def _has_limit(command: CommandLine) -> bool:
    """Tell whether a time is given: without one, as `git gc` calls it, stashes never expire."""
    return any(word.startswith(b"--expire") for word in command.words)


def _number(word: bytes) -> int | None:
    """Return the number in `3` or `stash@{3}`; `None` when a stash is named in another way."""
    bare = word.removeprefix(b"refs/").removeprefix(b"stash@{").removesuffix(b"}")
    return int(bare) if bare.isdigit() and len(bare) < 10 else None
