"""Uses of git's changing commands that only tell something: nobody's turn has to be waited for. Pure, as `gitline`.

In doubt a use changes something, and takes a turn.
"""

from __future__ import annotations

# Commands that tell when they are given nothing but options, though with none of these.
_UNLESS = {
    b"branch": (b"--unset-upstream", b"--edit-description", b"--set-upstream-to", b"-u"),
    b"tag": (),
    b"remote": (),
    b"notes": (),
    b"replace": (),
}
# First words of a command's own that tell.
_FIRST = {
    b"config": frozenset({b"get", b"list"}),
    b"notes": frozenset({b"list", b"show", b"get-ref"}),
    b"remote": frozenset({b"show", b"get-url"}),
    b"rerere": frozenset({b"status", b"diff", b"remaining"}),
    b"worktree": frozenset({b"list"}),
}
# Options that make a command tell, whatever else is named.
_LISTS = frozenset(
    b"--list --contains --no-contains --merged --no-merged --points-at --show-current".split()  # what follows may be a value
)
_OPTIONS = {
    b"add": frozenset({b"--dry-run"}),
    b"apply": frozenset({b"--check", b"--stat", b"--numstat", b"--summary"}),
    b"branch": _LISTS,
    b"commit": frozenset({b"--dry-run"}),
    b"config": frozenset(
        b"--get --get-all --get-regexp --get-urlmatch --get-color --get-colorbool --list -l".split()
    ),
    b"mv": frozenset({b"--dry-run"}),
    b"replace": frozenset({b"-l", b"--list"}),
    b"rm": frozenset({b"--dry-run"}),
    b"tag": _LISTS | {b"-l", b"-v", b"--verify"},
}
_WRITES_LOG = frozenset({b"delete", b"drop", b"expire"})


def only_tells(command: bytes, words: list[bytes]) -> bool:
    """Tell whether a changing command changes nothing with these words after it."""
    options = {word.partition(b"=")[0] for word in words if word.startswith(b"-")}
    named = [word for word in words if not word.startswith(b"-")]
    first = named[0] if named else b""
    if command == b"apply" and b"--apply" in options:
        return False
    if options & _OPTIONS.get(command, frozenset()) or first in _FIRST.get(command, ()):
        return True
    if command == b"reflog":
        return first not in _WRITES_LOG
    if command == b"symbolic-ref":
        return len(named) == 1 and not options & {b"-d", b"--delete"}
    if command == b"config":  # `git config NAME` tells a value
        return len(words) == 1 and bool(named)
    return not named and command in _UNLESS and not options & set(_UNLESS[command])
