"""What a worker knows of its leases, packed, against a plain list of them; lists come late, as over a line of their own."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workers.gate.wire import text_of
from workers.guard.lease import token_of
from workers.guard.rights import Rights

Written = list[object]

FILES = (b"a", b"b", b"d/a", b"d/e/a", b"d", "ü".encode(), b"\xff", b"[x]", b"A", b"D/a")
GENERAL = (
    ("tree", "d", "exclusive"),
    ("tree", "", "exclusive"),
    ("glob", "d/*", "exclusive"),
    ("file", "b", "shared"),
    ("resource", "resource:git/app", "exclusive"),
)


def written(kind: str, text: str, key: str, mode: str, token: int) -> Written:
    repo = "" if kind == "resource" else "app"
    scope = {"kind": kind, "repo": repo, "text": text, "key": key}
    return ["s1", scope, mode, token, token / 8]


def number(lease: Written) -> int:
    token = token_of(lease)
    assert isinstance(token, int)
    return token


def key_of(path: bytes) -> str:
    return text_of(path).lower()  # the file system folds case


def covers(lease: Written, path: bytes) -> bool:
    """Tell what the supervisor would: whether the session's lease lets it write the path."""
    _, scope, mode, *_ = lease
    assert isinstance(scope, dict)
    kind, key, wanted = scope["kind"], scope["key"], key_of(path)
    if kind == "glob":
        return wanted.startswith(key[:-1]) and "/" not in wanted[2:]
    if kind == "tree":
        return not key or wanted == key or wanted.startswith(key + "/")
    return kind == "file" and mode == "exclusive" and wanted == key


class Knowledge(RuleBasedStateMachine):
    """A supervisor that ends a lease only once the worker has let go of it, and the worker's knowledge."""

    def __init__(self) -> None:
        super().__init__()
        self.rights = Rights("app", "s1")
        self.last = 0
        self.held: dict[int, Written] = {}  # by the session, as the supervisor has it
        self.lists: list[tuple[list[Written], int]] = []  # under way to the worker
        self.known: dict[int, Written] = {}  # the worker's plain list
        self.made: dict[bytes, int] = {}
        self.over: set[int] = set()

    def grant(self, kind: str, text: str, key: str, mode: str) -> Written:
        self.last += 1
        self.held[self.last] = written(kind, text, key, mode, self.last)
        return self.held[self.last]

    @rule(
        paths=st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique_by=key_of), absent=st.booleans()
    )
    def a_write_is_asked_for(self, paths: list[bytes], absent: bool) -> None:  # noqa: FBT001  - drawn
        newest, leases = self.last, list[Written]()
        for path in paths:
            key = key_of(path)
            text = key.replace("[", "\\[")
            found = [lease for lease in self.held.values() if covers(lease, path)]
            leases.append(found[0] if found else self.grant("file", text, key, "exclusive"))
        assert self.rights.add([*copy.deepcopy(leases)], paths, [])
        for path, lease in zip(paths, leases, strict=True):
            token = number(lease)
            self.known[token] = self.held[token]
            assert self.rights.cover(path)
            if absent and token > newest:
                assert self.rights.make(path, token)
                self.made[path] = token

    @rule(which=st.sampled_from(GENERAL))
    def a_lease_is_acquired_otherwise(self, which: tuple[str, str, str]) -> None:
        kind, key, mode = which
        self.grant(kind, key, key, mode)

    @rule()
    def a_list_is_sent(self) -> None:
        self.lists.append((list(self.held.values()), self.last))

    @precondition(lambda self: self.lists)
    @rule(complete=st.booleans())
    def a_list_arrives(self, complete: bool) -> None:  # noqa: FBT001  - drawn
        leases, upto = self.lists.pop(0)
        complete = complete and upto == self.last
        self.rights.replace([*copy.deepcopy(leases)], None if complete else upto)
        later = {token: lease for token, lease in self.known.items() if token > upto}
        self.known = {token: lease for lease in leases if (token := number(lease)) not in self.over} | later

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_lease_is_revoked(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.held)))
        self.rights.revoke([token])
        self.known.pop(token, None)
        del self.held[token]
        self.over.add(token)

    @rule()
    def git_takes_the_files_in(self) -> None:
        self.rights.keep()
        self.made.clear()

    @rule(paths=st.lists(st.sampled_from(FILES), unique=True))
    def files_are_gone(self, paths: list[bytes]) -> None:
        tokens = {self.made[path] for path in paths if self.made.get(path) in self.known}

        assert set(self.rights.give_back(paths)) == tokens

        for token in tokens:
            del self.known[token], self.held[token]
            self.over.add(token)

    @precondition(lambda self: not self.lists)
    @rule()
    def what_was_given_back_is_forgotten(self) -> None:
        self.rights.pardon()

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def a_turn_ends(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.known)))
        self.rights.revoke([token])
        del self.known[token], self.held[token]
        self.over.add(token)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_lease_is_granted_otherwise(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.held)))
        self.rights.grant([copy.deepcopy(self.held[token])])
        self.known[token] = self.held[token]

    @invariant()
    def it_is_told_as_the_supervisor_wrote_it(self) -> None:
        told = self.rights.leases

        if told is not None:
            assert told == [lease for _, lease in sorted(self.known.items())]

    @invariant()
    def it_covers_nothing_but_what_the_session_holds(self) -> None:
        for path in FILES:
            assert not self.rights.cover(path) or any(covers(lease, path) for lease in self.held.values())

    @invariant()
    def it_covers_the_plain_names_that_its_leases_are_on(self) -> None:
        plain = [path for path in FILES if path.isascii() and path == path.lower()]
        for scope in (lease[1] for lease in self.known.values() if lease[2] == "exclusive"):
            assert isinstance(scope, dict)
            if scope["kind"] in {"file", "tree"}:
                assert all(self.rights.cover(path) for path in plain if path == scope["key"].encode())


Knowledge.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestKnowledge = Knowledge.TestCase
