"""Leases on names that came and went, given back by the guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.guard import claims as real
from workers.guard import fleeting
from workers.guard.fleeting import Fleeting
from workers.guard.rights import Rights
from workers.session.clock import FOREVER


class Claims(real.Claims):
    """Takes leases back at once."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken: list[object] = []

    def give_back(self, tokens, _written, answered) -> None:
        self.taken += tokens
        answered(real.Granted([], []))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a house of its own: the folder, the rights, the claims, the names, and a clock to set."""
    clock = [100.0]
    monkeypatch.setattr(fleeting, "boottime", lambda: clock[0])
    rights, claims = Rights("app", "s"), Claims()
    return tmp_path, rights, claims, Fleeting(bytes(tmp_path), rights, claims), clock


def lease(path: str, token: int, kind: str = "file") -> list[object]:
    return ["s", {"kind": kind, "repo": "app", "text": path, "key": path}, "exclusive", token, 0.0]


def grant(names: Fleeting, rights: Rights, path: str, token: int, **more: str) -> None:
    leases: list[object] = [lease(path, token, **more)]
    absent = names.absent([path.encode()], leases, rights.newest)
    rights.add(leases, [path.encode()], [])
    names.granted(absent)


def pass_time(names: Fleeting, clock: list[float]) -> None:
    """Let two seconds go by, in which the loop looks when it is due."""
    until = clock[0] + 2
    while (due := names.due()) <= until:
        clock[0] = max(clock[0], due)
        names.look()
    clock[0] = until


def test_a_lease_on_a_file_that_is_gone_is_given_back_once_nothing_names_it(world) -> None:
    folder, rights, claims, names, clock = world
    grant(names, rights, "tmp", 7)
    (folder / "tmp").touch()
    pass_time(names, clock)
    assert not claims.taken
    assert names.due() == FOREVER

    names.named(b"tmp")
    (folder / "tmp").unlink()
    names.look()
    assert not claims.taken

    pass_time(names, clock)
    assert claims.taken == [7]
    assert not rights.cover(b"tmp")


def test_what_existed_before_what_git_took_in_and_what_was_declared_stays(world) -> None:
    folder, rights, claims, names, clock = world
    (folder / "old").touch()
    grant(names, rights, "old", 1)
    grant(names, rights, "committed", 2)
    names.kept()
    rights.add([lease("declared", 3)], [b"declared"], [])
    names.granted(names.absent([b"declared"], [lease("declared", 3)], rights.newest))
    grant(names, rights, "a/b", 4, kind="tree")
    (folder / "old").unlink()
    for path in (b"old", b"committed", b"declared", b"a/b"):
        names.named(path)

    pass_time(names, clock)

    assert not claims.taken


def test_a_name_that_was_gone_before_git_ran_is_given_back_unless_it_came_again(world) -> None:
    folder, rights, claims, names, clock = world
    grant(names, rights, "before", 1)
    grant(names, rights, "again", 2)
    grant(names, rights, "there", 3)
    (folder / "there").touch()
    names.kept()
    (folder / "there").unlink()
    names.named(b"there")
    names.named(b"again")  # it was made anew, and git may have seen it

    pass_time(names, clock)

    assert claims.taken == [1]
    assert sorted(lease[3] for lease in rights.leases) == [2, 3]


def test_a_list_of_leases_from_before_does_not_bring_one_back(world) -> None:
    _, rights, _, names, clock = world
    grant(names, rights, "tmp", 7)
    pass_time(names, clock)

    rights.replace([lease("tmp", 7)], 7)

    assert not rights.cover(b"tmp")


def test_what_lay_in_a_folder_that_was_moved_is_looked_for(world) -> None:
    folder, rights, claims, names, clock = world
    (folder / "a").mkdir()
    grant(names, rights, "a/tmp", 7)
    (folder / "a/tmp").touch()
    pass_time(names, clock)

    names.moved(b"a")
    (folder / "a").rename(folder / "b")
    pass_time(names, clock)

    assert claims.taken == [7]


def test_a_storm_is_given_back_in_portions_between_which_the_worker_serves(world) -> None:
    _, rights, claims, names, clock = world
    for number in range(1, 2_501):
        grant(names, rights, f"tmp.{number}", number)

    portions = []
    while names.due() < FOREVER:
        clock[0] = max(clock[0], names.due())
        before = len(claims.taken)
        names.look()
        portions.append(len(claims.taken) - before)

    assert max(portions) == 1_000
    assert sorted(claims.taken) == list(range(1, 2_501))
    assert rights.leases == []


def test_a_name_that_is_used_again_and_again_is_left_alone_until_it_is_not(world) -> None:
    _, rights, claims, names, clock = world
    grant(names, rights, "lock", 7)
    for _ in range(20):
        clock[0] += 0.4
        names.named(b"lock")
        if names.due() <= clock[0]:
            names.look()

    assert not claims.taken
    pass_time(names, clock)
    assert claims.taken == [7]


def test_a_lease_that_was_revoked_and_granted_anew_on_a_file_is_not_taken_for_the_first(world) -> None:
    folder, rights, claims, names, clock = world
    grant(names, rights, "a", 7)
    (folder / "a").touch()
    rights.revoke([7])
    grant(names, rights, "a", 8)
    (folder / "a").unlink()
    names.named(b"a")

    pass_time(names, clock)

    assert not claims.taken
    assert rights.cover(b"a")
