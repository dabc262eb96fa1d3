"""Uses of git's changing commands that only tell something: nobody's turn has to be waited for. Pure, as `gitline`.

In doubt a use changes something, and takes a turn.
"""

from __future__ import annotations

# Commands that tell when they are given nothing but options, though with none of these.
_UNLESS = {
    b"branch": (b"--unset-upstream", b"--edit-description", b"--set-upstream-to", b"u"),
    b"tag": (),
    b"remote": (),
    b"notes": (),
    b"replace": (b"--convert-graft-file",),
}
# Options whose value may be the next word, which then says nothing itself; the letters are those of short ones.
_VALUES = {
    b"branch": (b"", b"--sort --format".split()),
    b"commit": (
        b"mFCct",
        b"--message --file --reuse-message --reedit-message --template --author --date --fixup --squash --cleanup "
        b"--trailer --pathspec-from-file".split(),
    ),
    b"config": (b"f", b"--file --blob --type --default --comment --value".split()),
    b"notes": (b"", [b"--ref"]),
    b"symbolic-ref": (b"m", []),
    b"tag": (b"mFu", b"--message --file --local-user --cleanup --trailer --sort --format".split()),
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
_WRITES_LOG = frozenset({b"delete", b"drop", b"expire", b"write"})


def only_tells(command: bytes, words: list[bytes]) -> bool:
    """Tell whether a changing command changes nothing with these words after it."""
    options, named = _apart(words, *_VALUES.get(command, (b"", [])))
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
    return not named and command in _UNLESS and not any(_may_mean(o, _UNLESS[command]) for o in options)


def _apart(words: list[bytes], letters: bytes, long: list[bytes]) -> tuple[set[bytes], list[bytes]]:
    """Return the options, without their values, and the other words; all after `--` is of these."""
    options: set[bytes] = set()
    named: list[bytes] = []
    rest = iter(words)
    for word in rest:
        if word == b"--":
            named += rest
        elif not word.startswith(b"-"):
            named.append(word)
        else:
            options.add(word.partition(b"=")[0])
            if _wants_next(word, letters, long):
                next(rest, None)
    return options, named


def _wants_next(word: bytes, letters: bytes, long: list[bytes]) -> bool:
    """Tell whether the value of an option is the word after it."""
    if word.startswith(b"--"):
        return any(option.startswith(word) for option in long)
    first = min((at for letter in letters if (at := word.find(letter)) > 0), default=0)
    return 0 < first == len(word) - 1


def _may_mean(option: bytes, meant: tuple[bytes, ...]) -> bool:
    """Tell whether an option is one of these, maybe cut short as git allows, or has one of these letters."""
    if option.startswith(b"--"):
        return any(long.startswith(option) for long in meant)
    return any(letter in option for letter in meant if len(letter) == 1)
