"""What a reference transaction would do to branches: which ref moves, and which paths change by it."""

import posix

_HEADS = b"refs/heads/"


class GitFailedError(Exception):
    """A git command that the gate depends on failed; the message is what git said last."""


class Update:
    """One branch about to move. `kind` is "update", "create" or "delete"; `paths` is raw bytes."""

    __slots__ = ("kind", "new", "old", "paths", "ref")

    def __init__(self, ref: bytes, old: bytes, new: bytes, kind: str, paths: list[bytes]) -> None:
        self.ref = ref
        self.old = old
        self.new = new
        self.kind = kind
        self.paths = paths


def judged(transaction: bytes, *, packs: bool = True) -> list[Update]:
    """Return the branch updates among the lines "OLD NEW REF" of a transaction that change something.

    HEAD, tags, remotes, the stash and git's own marks are nobody's branch, and pass unseen: a commit on a
    detached HEAD is judged when a branch takes it over. With `packs` a branch that is deleted may be one that git has
    packed, so that only its file goes.

    Raises:
        GitFailedError: git cannot say what changes.
    """
    moves: list[tuple[bytes, bytes, bytes]] = []
    for line in transaction.splitlines():
        fields = line.split(b" ", 2)
        if len(fields) == 3 and fields[2].startswith(_HEADS) and not line.startswith(b"ref:"):
            moves.append((fields[2], fields[0], fields[1]))
    old_of = _current([ref for ref, old, _ in moves if _is_zero(old)])
    updates: list[Update] = []
    for ref, stated, new in moves:
        old = old_of.get(ref, stated)
        if _is_zero(new):
            if not (packs and _is_packed(ref, old)):
                updates.append(Update(ref, old, new, "delete", []))
        elif _is_zero(old):
            updates.append(Update(ref, old, new, "create", _brought(new)))
        elif old != new:
            updates.append(Update(ref, old, new, "update", _changed(ref, old, new)))
    return updates


def _is_zero(name: bytes) -> bool:
    return not name.strip(b"0")


def _current(refs: list[bytes]) -> dict[bytes, bytes]:
    """Return what `refs` name now; a transaction says zero both for "must not exist" and "whatever it is"."""
    if not refs:
        return {}
    listed = _git([b"for-each-ref", b"--format=%(objectname) %(refname)", b"--", *refs])
    pairs = [line.split(b" ", 1) for line in listed.splitlines()]
    return {ref: name for name, ref in pairs if ref in refs}


def _is_packed(ref: bytes, old: bytes) -> bool:
    """Tell whether git only removes the file of a branch that it has just packed with the same value.

    To take the branch itself away it locks the packed ones before it asks, and unlocks them afterwards.
    """
    packed = _git([b"rev-parse", b"--git-path", b"packed-refs"]).rstrip(b"\n")
    try:
        file = posix.open(packed, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        posix.stat(packed + b".lock")
    except OSError:
        return b"\n%s %s\n" % (old, ref) in b"\n" + read_whole(file)
    else:
        return False
    finally:
        posix.close(file)


def read_whole(fd: int) -> bytes:
    """Return what can be read from a descriptor until its end."""
    parts = []
    while part := posix.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def _changed(ref: bytes, old: bytes, new: bytes) -> list[bytes]:
    target = posix.environ.get(b"LEASEHOLD_TARGET", b"")
    if not target or ref == target:
        return _names(
            [
                b"diff-tree",
                b"-r",
                b"-z",
                b"--name-only",
                b"--no-renames",
                b"--ignore-submodules=none",
                old,
                new,
            ]
        )
    # A branch that is going to be integrated may take in what the target or a remote already has: only
    # commits that are on neither are judged, those that come and those that go.
    return _touched([b"%b...%b" % (old, new), b"--not", target, b"--remotes"])


def _brought(new: bytes) -> list[bytes]:
    """Return the paths of commits that no branch has yet."""
    return _touched([new, b"--not", b"--branches", b"--remotes"])


def _touched(commits: list[bytes]) -> list[bytes]:
    # A merge names what differs from all its parents: the rest is some parent's doing.
    names = _names(
        [
            *(b"-c", b"log.showRoot=true", b"log", b"-z", b"--format=", b"--name-only", b"--no-renames"),
            *(
                b"--diff-merges=combined",
                b"--no-show-signature",
                b"--no-relative",
                b"--ignore-submodules=none",
            ),
            *commits,
            b"--",
        ]
    )
    return list(dict.fromkeys(names))


def _names(command: list[bytes]) -> list[bytes]:
    return [name for name in _git(command).split(b"\0") if name]


def _git(command: list[bytes]) -> bytes:
    reader, writer = posix.pipe()
    try:
        actions = [
            (posix.POSIX_SPAWN_DUP2, writer, 1),
            (posix.POSIX_SPAWN_CLOSE, writer),
            (posix.POSIX_SPAWN_CLOSE, reader),
        ]
        pid = posix.posix_spawnp("git", [b"git", *command], posix.environ, file_actions=actions)
        posix.close(writer)
        writer = -1
        found = read_whole(reader)
    finally:
        posix.close(reader)
        if writer >= 0:
            posix.close(writer)
    _, status = posix.waitpid(pid, 0)
    if status:
        what = command[2] if command[0] == b"-c" else command[0]
        raise GitFailedError(f"git {what.decode()} failed")
    return found
