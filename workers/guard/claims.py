"""What the guard asks the supervisor for: the first write of a path, and git's turn at the checkout."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from workers.gate.wire import text_of
from workers.guard.lease import is_newer, token_of
from workers.session.clock import boottime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.line import Answer, Line


_MOMENT = 0.01  # seconds in which nobody had time to write a file
_ROOM = 600_000  # bytes of paths in one question; the supervisor takes no line above 1 MiB


class Claim:
    """What one held call wants: files to write, folders to move, and places nobody else may hold.

    `inodes` are files with several names, whose contents are to change: nobody else may hold any of the names.
    `git` is empty, or what a git command is about to do to the checkout, and `discards` what it throws away there (see
    `gitline`). `makes` tells that one of the files was not there when the call was held. `leases` were granted already,
    while it is asked once more what would be thrown away.
    """

    __slots__ = (
        "asked_at",
        "discards",
        "files",
        "folders",
        "git",
        "inodes",
        "leases",
        "makes",
        "newest",
        "places",
    )

    def __init__(self, git: str = "", discards: str = "") -> None:
        self.discards = discards
        self.files: list[bytes] = []
        self.folders: list[bytes] = []
        self.places: list[bytes] = []
        self.inodes: list[tuple[int, int]] = []
        self.git = git
        self.leases: list[object] = []
        self.makes = False
        self.newest = 0  # the highest token that the session had when it asked
        self.asked_at = 0.0  # CLOCK_BOOTTIME

    def is_one_file(self) -> bool:
        """Tell whether it is no more than the write of one file."""
        return len(self.files) == 1 and not (self.folders or self.places or self.inodes or self.git)

    def tokens(self) -> list[object]:
        """Return the tokens of those of its `leases` that the session has only for it."""
        return [token_of(lease) for lease in self.leases if is_newer(lease, self.newest)]

    def is_within(self, other: Claim) -> bool:
        """Tell whether it wants nothing that the other does not want."""
        return all(
            set(ours) <= set(theirs)
            for ours, theirs in (
                (self.files, other.files),
                (self.folders, other.folders),
                (self.places, other.places),
                (self.inodes, other.inodes),
            )
        )


class Leased:
    """The one file that was asked for is the session's, under this token; nothing else is to be said.

    `granted_at` are seconds of CLOCK_BOOTTIME.
    """

    __slots__ = ("granted_at", "token")

    def __init__(self, token: int, granted_at: float) -> None:
        self.token = token
        self.granted_at = granted_at


class Granted:
    """The session may; `leases` are those it has now for it, as the supervisor writes them.

    `notices` are sentences that it should know of before it writes.
    """

    __slots__ = ("leases", "notices")

    def __init__(self, leases: list[object], notices: list[str]) -> None:
        self.leases = leases
        self.notices = notices


class Refused:
    """It may not: why in a sentence; `late` when it waited in vain."""

    __slots__ = ("late", "why")

    def __init__(self, why: str, *, late: bool) -> None:
        self.why = why
        self.late = late


class Away:
    """Nobody could be asked for as long as the session is to wait; why in a sentence."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


Verdict = Leased | Granted | Refused | Away


class Claims:
    """Asks over the session's line."""

    __slots__ = ("_line", "_write")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._write = line.opening("guard.write")

    def ask(self, claim: Claim, wait: float, answered: Callable[[Verdict], None]) -> None:
        """Ask for a claim, to be waited for `wait` seconds when others hold it; `answered` hears the verdict."""
        if claim.is_one_file():  # nearly always, and a program waits for each
            path = encode_basestring_ascii(text_of(claim.files[0]))
            self._line.ask_written(
                f'{self._write},"wait":{wait},"path":{path}', lambda answer: answered(self._verdict(answer))
            )
            return
        if claim.discards:
            self._line.ask(
                "guard.discard",
                {"what": claim.discards, "tokens": claim.tokens()},
                lambda answer: self._spared(answer, claim, wait, answered),
            )
        else:
            self._ask_all(claim, wait, answered)

    def _ask_all(self, claim: Claim, wait: float, answered: Callable[[Verdict], None]) -> None:
        params: dict[str, object] = {"wait": wait}
        for name, paths in (("files", claim.files), ("folders", claim.folders), ("places", claim.places)):
            if paths:
                params[name] = [text_of(path) for path in paths]
        if claim.inodes:
            params["inodes"] = claim.inodes
        if claim.git:
            params["git"] = claim.git
        self._line.ask("guard.claim", params, lambda answer: answered(self._verdict(answer)))

    def _spared(self, answer: Answer, claim: Claim, wait: float, answered: Callable[[Verdict], None]) -> None:
        """Go on with a claim whose git command throws nothing away that is nobody's.

        Where others had the checkout first, somebody may have changed a file meanwhile.
        """
        asked_at = boottime()

        def decided(verdict: Verdict) -> None:
            if isinstance(verdict, Granted) and not claim.leases and boottime() > asked_at + _MOMENT:
                claim.leases = verdict.leases
                self.ask(claim, wait, answered)
            else:
                answered(verdict)

        match answer:
            case None | {"error": {"data": {"reason": "unowned"}}}:
                answered(self._verdict(answer))
            case _:
                self._ask_all(claim, wait, decided)

    def give_back(
        self, tokens: list[object], written: list[bytes] | None, answered: Callable[[Verdict], None]
    ) -> None:
        """Give leases back that were for a git command; of the files it wrote, those left dirty stay leased.

        `None` are too many to name.
        """
        params: dict[str, object] = {"tokens": tokens, "written": _named(written)}
        self._line.ask("guard.give_back", params, lambda answer: answered(self._verdict(answer)))

    def due(self) -> float:
        """Return when `look` is to be called next (CLOCK_BOOTTIME)."""
        return self._line.due()

    def look(self) -> None:
        """Do what is due."""
        self._line.look()

    def hear(self) -> None:
        """Take in what has been answered by now."""
        self._line.hear()

    def close(self) -> None:
        """Hang up; what is still open stays unanswered."""
        self._line.close()

    def _verdict(self, answer: Answer) -> Verdict:
        result = answer.get("result") if answer is not None else None
        if isinstance(result, dict):
            token, granted_at = result.get("token"), result.get("granted_at")
            if isinstance(token, int) and isinstance(granted_at, float):
                return Leased(token, granted_at)
        match answer:
            case None:
                return Away(
                    f"the supervisor at {self._line.path} does not answer, or does not know yet who holds what"
                )
            case {"result": {"leases": [*leases], **rest}}:
                notices = rest.get("notices")
                return Granted(leases, notices if isinstance(notices, list) else [])
            case {"error": {"message": str(why), "data": {"reason": "timed_out"}}}:
                return Refused(why, late=True)
            case {"error": {"message": str(why)}}:
                return Refused(why, late=False)
            case _:
                return Refused("the supervisor's answer cannot be read", late=False)


def _named(paths: list[bytes] | None) -> list[str] | None:
    """Return paths as text, or `None` when they do not fit into one line."""
    if paths is None:
        return None
    texts = [text_of(path) for path in paths]
    return texts if sum(len(encode_basestring_ascii(text)) + 2 for text in texts) <= _ROOM else None
