"""What a git command line is about to do to a shared checkout. Pure: from words to a verdict.

git(1) and the manual pages of the commands; aliases are the caller's to resolve.
"""

from __future__ import annotations

from workers.guard.gitreads import only_tells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

READS = "reads"
CHANGES = "changes"  # takes git's locks: one session at a time
SWEEPS = "sweeps"  # writes, or moves HEAD, over the whole work tree

# Options before the command that take a second word.
_WITH_VALUE = frozenset(
    {b"-C", b"-c", b"--git-dir", b"--work-tree", b"--namespace", b"--config-env", b"--exec-path"}
)

# A push takes no lock that others would wait for, but its network and its hook may take minutes.
_CHANGES = frozenset(
    b"add commit rm mv update-index branch tag gc prune repack pack-refs update-ref symbolic-ref reflog notes replace "
    b"fetch worktree apply remote config maintenance rerere commit-graph write-tree".split()
)
_SWEEPS = frozenset(
    b"checkout switch reset stash merge rebase pull clean restore cherry-pick revert am read-tree checkout-index "
    b"bisect filter-branch sparse-checkout".split()
)
# The letter and the names of options with which a sweeping command does not spare what is uncommitted, as it does otherwise.
_FORCES = {
    b"checkout": (b"f", b"--force"),
    b"checkout-index": (b"f", b"--force"),
    b"read-tree": (b"", b"--reset"),
    b"reset": (b"", b"--hard", b"--merge"),
    b"switch": (b"f", b"--force", b"--discard-changes"),
}
# Letters whose option takes the rest of its word, or the next word.
_LETTERS_WITH_VALUE = {b"checkout": b"bB", b"clean": b"e", b"restore": b"s", b"stash": b"m", b"switch": b"cC"}
_HARMLESS = {
    b"stash": frozenset({b"list", b"show", b"create", b"store", b"drop"}),
    b"bisect": frozenset({b"log", b"view", b"visualize", b"terms"}),
    b"sparse-checkout": frozenset({b"list"}),
}


class CommandLine:
    """A git command line taken apart: `command`, its own `words`, and the `folders` of each -C.

    `git_dir` and `work_tree` are those of the options, `None` without them. `aliases` are git's: the command that each
    stands for, as far as it is one of git's own.
    """

    __slots__ = ("command", "folders", "git_dir", "words", "work_tree")

    def __init__(self, words: list[bytes], aliases: dict[bytes, bytes]) -> None:
        self.folders: list[bytes] = []  # each -C, one after the other
        self.git_dir: bytes | None = None
        self.work_tree: bytes | None = None
        rest = list(words[1:])
        while rest and rest[0].startswith(b"-"):
            option, _, value = rest.pop(0).partition(b"=")
            if option in _WITH_VALUE and not value:
                value = rest.pop(0) if rest else b""
            if option == b"-C":
                self.folders.append(value)
            elif option == b"--git-dir":
                self.git_dir = value
            elif option == b"--work-tree":
                self.work_tree = value
        command = rest.pop(0) if rest else b""
        self.command = aliases.get(command, command)
        self.words = rest

    def deed(self) -> str:
        """Return what the command does: READS, CHANGES or SWEEPS."""
        if self.command in _CHANGES:
            return READS if only_tells(self.command, self.words) else CHANGES
        if self.command not in _SWEEPS:
            return READS
        first = next(iter(self.words), b"")
        if first in _HARMLESS.get(self.command, ()):
            return CHANGES if first in {b"store", b"drop"} else READS
        if self.command == b"clean" and self._has(b"n", b"--dry-run"):
            return READS
        return CHANGES if self._names_files() else SWEEPS

    def discards(self) -> str:
        """Return which uncommitted changes a sweeping command throws away or puts aside: "tracked", "untracked", "both"."""
        if self.deed() != SWEEPS:
            return ""
        if self.command == b"clean":
            return "untracked"
        if self.command == b"stash":
            first = next(iter(self.words), b"")
            if first not in {b"push", b"save"} and not (first.startswith(b"-") or not first):
                return ""  # what takes an entry up leaves changed files alone
            return (
                "both" if self._has(b"u", b"--include-untracked") or self._has(b"a", b"--all") else "tracked"
            )
        if self.command == b"restore":
            only_index = self._has(b"S", b"--staged") and not self._has(b"W", b"--worktree")
            return "" if only_index else "tracked"
        if self.command in _FORCES and self._has(*_FORCES[self.command]):
            return "tracked"
        if self.command == b"checkout" and any(map(_is_sweeping, self.words)):
            return "tracked"
        return ""

    def _names_files(self) -> bool:
        """Tell whether only files named one by one are written: the guard sees to each of them itself."""
        if self.command == b"restore":
            named = [word for word in self._after_options(b"-s", b"--source") if word]
            return bool(named) and not any(map(_is_sweeping, named))
        if self.command in {b"checkout", b"reset"} or (
            self.command == b"stash" and self.words[:1] in ([b"push"], [b"save"])
        ):
            if b"--" not in self.words:
                return False
            named = self.words[self.words.index(b"--") + 1 :]
            return bool(named) and not any(map(_is_sweeping, named))
        return False

    def _after_options(self, *with_value: bytes) -> list[bytes]:
        if b"--" in self.words:
            return self.words[self.words.index(b"--") + 1 :]
        found = []
        rest = iter(self.words)
        for word in rest:
            if word in with_value:
                next(rest, None)
            elif not word.startswith(b"-"):
                found.append(word)
        return found

    def _has(self, letter: bytes, *names: bytes) -> bool:
        """Tell whether an option is given; git takes the beginning of a name for the name."""
        return any(
            option == letter or any(name.startswith(option) for name in names) for option in self._options()
        )

    def _options(self) -> Iterator[bytes]:
        """Yield the letter of each short option, and each long one as it stands."""
        with_value = _LETTERS_WITH_VALUE.get(self.command, b"")
        words = iter(self.words)
        for word in words:
            if word == b"--":
                return
            if word.startswith(b"--"):
                yield word
            elif word.startswith(b"-"):
                yield from _letters(word, with_value)
                if word[-1:] in with_value and not any(c in with_value for c in word[1:-1]):
                    next(words, None)


def _letters(word: bytes, with_value: bytes) -> Iterator[bytes]:
    for place in range(1, len(word)):
        yield word[place : place + 1]
        if word[place] in with_value:
            return


def _is_sweeping(pathspec: bytes) -> bool:
    """Tell whether a pathspec may stand for more than one file."""
    return (
        pathspec in {b".", b"./", b":/", b"/"}
        or pathspec.startswith(b":")
        or any(c in pathspec for c in b"*?[")
        or pathspec.endswith(b"/")
    )
