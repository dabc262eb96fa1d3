"""What the session may write without asking: the paths of the leases that it has."""

from __future__ import annotations

from sys import intern

_TOKEN = 3  # where a written lease has its fencing token: [holder, scope, mode, token, granted_at]


def token_of(lease: object) -> object:
    """Return the fencing token of a lease as the supervisor writes it."""
    return lease[_TOKEN] if isinstance(lease, list) and len(lease) > _TOKEN else None


def _thrifty(lease: object) -> object:
    """Return a lease whose words are those of the others: there may be tens of thousands, each read anew."""
    match lease:
        case [str(holder), {"kind": str(kind), "repo": str(repo), "key": str(key), **more}, str(mode), *rest]:
            thin: dict[str, object] = {"kind": intern(kind), "repo": intern(repo), "key": key}
            for name, value in more.items():
                thin[str(name)] = key if value == key else value
            return [intern(holder), thin, intern(mode), *rest]
    return lease


def is_newer(lease: object, upto: int) -> bool:
    """Tell whether a lease was granted after the one with the token `upto`."""
    token = token_of(lease)
    return isinstance(token, int) and token > upto


class Rights:
    """A copy of the session's exclusive leases in one repository, in the form in which writes arrive.

    Leases over patterns, and in repositories whose file system folds case, are not compared here: the
    supervisor answers for their paths, one by one, and each answer is kept.
    """

    __slots__ = ("_files", "_holder", "_repo", "_revoked", "_tokens", "_trees", "leases", "newest")

    def __init__(self, repo: str, holder: str = "") -> None:
        self._repo = repo
        self._holder = holder  # as leases name the session
        self.leases: list[object] | None = None  # as the supervisor wrote them; None: never told
        self.newest = 0  # the highest token that it was ever told of
        self._tokens: set[object] = set()
        self._revoked: set[object] = set()
        self._files: set[bytes] = set()
        self._trees: set[bytes] = set()

    def replace(self, leases: list[object], upto: int | None = None) -> None:
        """Take over the whole list, which names every lease with a token of `upto` or less (`None`: every lease).

        Leases that were granted since then are kept: list and grant come over different lines.
        """
        newer = [lease for lease in self.leases or [] if upto is not None and is_newer(lease, upto)]
        self.leases = [_thrifty(lease) for lease in leases if token_of(lease) not in self._revoked]
        self._files, self._trees, self._tokens = set(), set(), set()
        for lease in self.leases:
            self._read(lease)
        for lease in newer:
            if token_of(lease) not in self._tokens:
                self.leases.append(lease)
                self._read(lease)

    def add(self, leases: list[object], files: list[bytes], trees: list[bytes]) -> bool:
        """Take in new leases, and the paths that they were asked for; return False if one is revoked already."""
        if self.lack(leases):
            return False
        if self.leases is None:
            self.leases = []
        for lease in leases:
            token = token_of(lease)
            if token not in self._tokens:
                self._note(token)
                self.leases.append(_thrifty(lease))
        self._files.update(files)
        self._trees.update(trees)
        return True

    def add_file(self, path: bytes, token: int, granted_at: float) -> None:
        """Take in a new lease on one file of the repository, whose name is text as the supervisor has it; it is not revoked."""
        if self.leases is None:
            self.leases = []
        if token not in self._tokens:
            self._note(token)
            name = path.decode()
            scope = {"kind": "file", "repo": self._repo, "text": name, "key": name}
            self.leases.append([self._holder, scope, "exclusive", token, granted_at])
        self._files.add(path)

    def is_revoked(self, token: object) -> bool:
        """Tell whether the lease with this token is revoked already."""
        return token in self._revoked

    def lack(self, leases: list[object]) -> bool:
        """Tell whether one of these leases is revoked already."""
        return bool(self._revoked) and any(token_of(lease) in self._revoked for lease in leases)

    def revoke(self, tokens: list[object]) -> None:
        """Take leases away for good: from here on every write below them is asked for again."""
        self._revoked.update(tokens)
        self.replace(self.leases or [])

    def pardon(self, tokens: list[object]) -> None:
        """Forget that these leases were revoked: nobody will name them again."""
        self._revoked.difference_update(tokens)

    def has(self, token: object) -> bool:
        """Tell whether a lease with this token is on the list."""
        return token in self._tokens

    def drop(self, tokens: list[object]) -> None:
        """Take leases off the list that the session gives back; files that it asked for by name stay."""
        gone = set(tokens)
        self._tokens -= gone
        self.leases = [lease for lease in self.leases or [] if token_of(lease) not in gone]
        self._trees = set()
        for lease in self.leases:
            self._read(lease)

    def cover(self, path: bytes) -> bool:
        """Tell whether the path is surely one of the session's."""
        if path in self._files:
            return True
        return bool(self._trees) and self.cover_tree(path)

    def cover_tree(self, folder: bytes) -> bool:
        """Tell whether a folder with all below it is surely the session's."""
        if b"" in self._trees:
            return True
        while folder:
            if folder in self._trees:
                return True
            folder = folder.rpartition(b"/")[0]
        return False

    def _read(self, lease: object) -> None:
        match lease:
            case [_, {"kind": kind, "repo": self._repo, "key": str(key)}, "exclusive", token, *_]:
                self._note(token)
                if key.isascii() and kind == "file":
                    self._files.add(key.encode())
                elif key.isascii() and kind == "tree":
                    self._trees.add(key.encode())
            case [_, _, _, token, *_]:
                self._note(token)

    def _note(self, token: object) -> None:
        self._tokens.add(token)
        if isinstance(token, int) and token > self.newest:
            self.newest = token
