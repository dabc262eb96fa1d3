"""What the session may write without asking: the paths of the leases that it has."""

from __future__ import annotations

from itertools import islice

from workers.gate.wire import text_of
from workers.guard.lease import (
    as_made,
    is_made,
    is_newer,
    kind_of,
    pack,
    packed_time,
    packed_token,
    paths_under,
    plain_file,
    thrifty,
    token_of,
)
from workers.guard.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNKNOWN = b""
_PORTION = 200  # leases that are written at a time


class Rights:
    """A copy of the session's exclusive leases in one repository, in the form in which writes arrive.

    Leases over patterns, and in repositories whose file system folds case, are not compared here: the
    supervisor answers for their paths, one by one, and each answer is kept. A lease on one file, as writes
    bring them by the thousand, is a path and a number; the others are kept as the supervisor wrote them.
    """

    __slots__ = (
        *("_files", "_gone", "_holder", "_is_told", "_kept_upto", "_others", "_repo"),
        *("_returned", "_returned_before", "_revoked", "_trees", "newest"),
    )

    def __init__(self, repo: str, holder: str) -> None:
        self._repo = repo
        self._holder = holder  # as leases name the session
        self._is_told = False
        self.newest = 0  # the highest token that it was ever told of
        self._kept_upto = 0  # leases up to this token stay, even when their files are gone
        self._gone: set[bytes] = set()  # files up to that token which nobody had when the others were kept
        self._files: dict[bytes, int] = {}  # paths, with the packed leases that cover them
        self._others: dict[object, object] = {}  # by token, those that are more than a path and a number
        self._trees: set[bytes] = set()
        self._revoked = Tokens()
        self._returned = Tokens()
        self._returned_before = Tokens()

    @property
    def leases(self) -> list[object] | None:
        """The leases as the supervisor wrote them, the oldest first; `None` when it was never told of any."""
        portions = self.portions()
        if portions is None:
            return None
        return sorted((lease for portion in portions for lease in portion), key=_order)

    def portions(self) -> Iterator[list[object]] | None:
        """Return the same as they are now, in no order, a few at a time: all at once take much memory."""
        if not self._is_told:
            return None
        others, files = self._others.copy(), self._files.copy()

        def portions() -> Iterator[list[object]]:
            yield list(others.values())
            plain = (item for item in files.items() if packed_token(item[1]) not in others)
            while portion := [self._written(*item) for item in islice(plain, _PORTION)]:
                yield portion

        return portions()

    def replace(self, leases: list[object], upto: int | None = None) -> None:
        """Take over the whole list, which names every lease with a token of `upto` or less (`None`: every lease).

        Leases that were granted since then are kept: list and grant come over different lines.
        """
        files, others = self._files, self._others
        names: dict[object, bytes] = {
            number: path
            for path, packed in files.items()
            if (number := packed_token(packed)) in others or not path.isascii()
        }
        self._is_told = True
        self._files, self._others, self._trees = {}, {}, set()
        for lease in leases:
            token = token_of(lease)
            if not self.is_revoked(token):
                self._take(lease, names.get(token, _UNKNOWN))
        if upto is None:
            upto = self.newest
        for token, lease in others.items():
            if is_newer(lease, upto) and token not in self._others:
                self._take(lease, names.get(token, _UNKNOWN))
        for path, packed in files.items():
            number = packed_token(packed)
            now = self._files.get(path)
            if now is None:
                is_kept = number in self._others if number in others else number > upto
            else:
                is_kept = packed_token(now) == number
            if is_kept:
                self._files[path] = packed

    def add(self, leases: list[object], files: list[bytes], trees: list[bytes]) -> bool:
        """Take in new leases, and the paths that they were asked for; return False if one is revoked already.

        They are in the order of the files.
        """
        if self.lack(leases):
            return False
        self._is_told = True
        self._trees.update(trees)
        for at, lease in enumerate(leases):
            self._take(lease, files[at] if at < len(files) else _UNKNOWN)
        return True

    def add_file(self, path: bytes, token: int, granted_at: float) -> None:
        """Take in a new lease on one file of the repository, whose name is text as the supervisor has it; it is not revoked."""
        self._is_told = True
        self.newest = max(self.newest, token)
        packed = self._files.get(path)
        if packed is None or packed_token(packed) < token:
            self._files[path] = pack(token, granted_at)

    def is_revoked(self, token: object) -> bool:
        """Tell whether the lease with this token is revoked or given back already."""
        latest = max(self._returned.newest, self._returned_before.newest, self._revoked.newest)
        if isinstance(token, int) and token > latest:
            return False  # nearly always: it was granted just now
        return token in self._returned or token in self._returned_before or token in self._revoked

    def lack(self, leases: list[object]) -> bool:
        """Tell whether one of these leases is revoked or given back already."""
        return any(self.is_revoked(token_of(lease)) for lease in leases)

    def grant(self, leases: list[object]) -> None:
        """Take in leases that the guard did not ask for, but for those that are over already.

        A worker that was never told of all leases does not know all by these.
        """
        for lease in leases:
            if not self.is_revoked(token_of(lease)):
                self._take(lease)

    def revoke(self, tokens: list[object]) -> None:
        """Take leases away for good: from here on every write below them is asked for again.

        An answer or a list that was under way meanwhile may still name them.
        """
        for token in tokens:
            if isinstance(token, int):
                self._revoked.add(token)
        self._drop(tokens)

    def _drop(self, tokens: Iterable[object]) -> None:
        """Take leases off the list."""
        gone = set(tokens)
        general = [kind_of(self._others.pop(token)) for token in gone if token in self._others]
        if len(general) == len(gone) and set(general) == {"resource"}:
            return  # git's turn: it covers no path, and there may be thousands to look through
        lost = paths_under(self._files, gone)
        if 2 * len(lost) > len(self._files):  # a dictionary keeps its size when much is taken out
            left = set(self._files).difference(lost)
            self._files = {path: packed for path, packed in self._files.items() if path in left}
        else:
            for path in lost:
                del self._files[path]
        if lost or general:
            self._trees = set()
            for lease in self._others.values():
                self._plant(lease)

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

    # -- files that the session made itself -------------------------------------------------------

    def make(self, path: bytes, token: object) -> bool:
        """Note that a file was not there before the lease with this token; return False when that is gone."""
        packed = self._files.get(path)
        if packed is None or packed_token(packed) != token:
            return False
        self._files[path] = as_made(packed)
        return True

    def is_made(self, path: bytes) -> bool:
        """Tell whether the file was not there before the lease on it."""
        packed = self._files.get(path, 0)
        return is_made(packed, self._kept_upto) or (path in self._gone and is_made(packed, 0))

    def is_taken_up(self, path: bytes) -> bool:
        """Tell whether a file is named again that was gone when the others were kept; it is kept from then on too."""
        if path not in self._gone:
            return False
        self._gone.discard(path)
        return not self.is_made(path)

    def made_below(self, folder: bytes) -> list[bytes]:
        """Return such files in a folder, at any depth."""
        return [
            path
            for path, packed in self._files.items()
            if path.startswith(folder + b"/") and is_made(packed, self._kept_upto)
        ]

    def keep(self, gone: set[bytes] | None = None) -> None:
        """Count all files that there are leases on now as having been there before, but for those that are `gone`."""
        self._kept_upto = self.newest
        self._gone = gone or set()

    def give_back(self, paths: list[bytes]) -> list[object]:
        """Take away the leases on files that the session made, and return their tokens."""
        tokens: list[object] = []
        general: list[object] = []
        for path in paths:
            if self.is_made(path):
                token = packed_token(self._files.pop(path))
                if token in self._returned:
                    continue  # another name of the same lease
                self._returned.add(token)
                tokens.append(token)
                if token in self._others:
                    general.append(token)
        if general:
            self._drop(general)
        if not self._files:
            self._files = {}  # a dictionary that was emptied keeps its size
        return tokens

    def pardon(self) -> None:
        """Forget what was given back before the last time: nobody names it again."""
        self._returned_before, self._returned = self._returned, Tokens()

    # -- reading and writing ----------------------------------------------------------------------

    def _take(self, lease: object, asked: bytes = _UNKNOWN) -> None:
        """Take in one lease, and the path that it was asked for."""
        token = token_of(lease)
        if isinstance(token, int) and token > self.newest:
            self.newest = token
        if token not in self._others and self._take_file(lease, asked):
            return
        self._others[token] = lease = thrifty(lease)
        self._plant(lease)
        if asked and isinstance(token, int) and not self.cover(asked):
            self._files[asked] = pack(token, 0.0)

    def _take_file(self, lease: object, asked: bytes) -> bool:
        """Take in a lease of which a path and a number tell everything; return False when it is none."""
        plain = plain_file(lease, self._repo)
        if plain is None:
            return False
        holder, key, token, since = plain
        if asked and text_of(asked) == key:
            path = asked
        elif key.isascii() and not asked:
            path = key.encode()
        else:
            return False
        packed = self._files.get(path)
        if packed is None and holder == self._holder:
            self._files[path] = pack(token, since)
            return True
        return packed is not None and packed_token(packed) == token

    def _written(self, path: bytes, packed: int) -> object:
        text = text_of(path)
        scope = {"kind": "file", "repo": self._repo, "text": text, "key": text}
        return [self._holder, scope, "exclusive", packed_token(packed), packed_time(packed)]

    def _plant(self, lease: object) -> None:
        """Note what a lease covers of which the supervisor wrote more than a path."""
        match lease:
            case [_, {"kind": kind, "repo": self._repo, "key": str(key)}, "exclusive", token, *_]:
                if not key.isascii():
                    return
                if kind == "tree":
                    self._trees.add(key.encode())
                elif kind == "file" and isinstance(token, int):
                    self._files.setdefault(key.encode(), pack(token, 0.0))


def _order(lease: object) -> int:
    token = token_of(lease)
    return token if isinstance(token, int) else 0
