"""What a guard decides without asking: own paths, and what is no path of the work tree."""

from __future__ import annotations

import json
import tracemalloc

from workers.guard.ground import Ground
from workers.guard.rights import Rights


def lease(kind: str, key: str, token: int, *, mode: str = "exclusive", repo: str = "app") -> list[object]:
    return ["s1", {"kind": kind, "repo": repo, "text": key, "key": key}, mode, token, 1.0]


def test_the_session_may_write_what_its_exclusive_leases_cover() -> None:
    rights = Rights("app", "s1")

    rights.replace([lease("file", "a.txt", 1), lease("tree", "src", 2)])

    assert rights.cover(b"a.txt")
    assert rights.cover(b"src/deep/b.txt")
    assert rights.cover(b"src")
    assert not rights.cover(b"srcs/b.txt")
    assert not rights.cover(b"a.txt/below")


def test_shared_leases_patterns_and_other_repositories_are_left_to_the_supervisor() -> None:
    rights = Rights("app", "s1")

    rights.replace(
        [
            lease("file", "a", 1, mode="shared"),
            lease("glob", "*.md", 2),
            lease("file", "b", 3, repo="other"),
            lease("file", "ü", 4),
        ]
    )

    assert not any(rights.cover(path) for path in (b"a", b"x.md", b"b", "ü".encode()))


def test_a_lease_over_the_whole_tree_covers_everything() -> None:
    rights = Rights("app", "s1")

    rights.replace([lease("tree", "", 1)])

    assert rights.cover(b"any/thing")
    assert rights.cover_tree(b"any")


def test_a_grant_is_kept_with_the_path_as_it_was_asked_for() -> None:
    rights = Rights("app", "s1")
    rights.replace([lease("file", "a", 1)])

    rights.add([lease("file", "a", 1), lease("file", "\xfc", 2)], [b"\xff"], [])

    assert rights.cover(b"\xff")
    assert rights.leases == [lease("file", "a", 1), lease("file", "\xfc", 2)]


def test_a_new_list_takes_back_what_it_does_not_name() -> None:
    rights = Rights("app", "s1")
    rights.add([lease("file", "a", 1)], [b"a"], [b"src"])

    rights.replace([])

    assert not rights.cover(b"a")
    assert not rights.cover_tree(b"src")


def test_folders_are_the_sessions_only_as_a_whole() -> None:
    rights = Rights("app", "s1")

    rights.replace([lease("file", "src/a", 1), lease("tree", "lib", 2)])

    assert not rights.cover_tree(b"src")
    assert rights.cover_tree(b"lib/inner")


def test_only_paths_below_the_work_tree_or_moves_of_it_matter() -> None:
    ground = Ground(b"/srv/app")

    assert ground.relative(b"/srv/app/a/b") == b"a/b"
    assert ground.relative(b"/srv/app") == b""
    assert ground.relative(b"/srv") == b""
    assert ground.relative(b"/srv/apple/a") is None
    assert ground.relative(b"/tmp/a") is None


def test_gits_own_folders_are_nobodys() -> None:
    ground = Ground(b"/srv/app")

    assert ground.is_gits(b".git/index")
    assert ground.is_gits(b"vendor/lib/.git/HEAD")
    assert ground.is_gits(b".GIT/config")
    assert not ground.is_gits(b".github/workflows/ci.yml")
    assert not ground.is_gits(b"a.git/b")


def test_leases_that_came_in_different_messages_share_their_words() -> None:
    rights = Rights("app", "s1")
    for number in (1, 2):
        rights.add(json.loads(json.dumps([lease("file", f"f{number}.txt", number)])), [], [])

    (one, two) = rights.leases or []

    assert isinstance(one, list)
    assert isinstance(two, list)
    assert one == lease("file", "f1.txt", 1)
    assert one[0] is two[0]
    assert one[1]["repo"] is two[1]["repo"]
    assert one[1]["text"] is one[1]["key"]


def test_a_file_that_is_granted_in_few_words_is_kept_as_the_supervisor_would_have_written_it() -> None:
    rights = Rights("app", "s1")

    rights.add_file(b"a", 7, 1.0)
    rights.add_file(b"a", 7, 1.0)  # a list of leases may have named it before the answer came

    assert rights.cover(b"a")
    assert rights.newest == 7
    assert rights.leases == [lease("file", "a", 7)]
    rights.revoke([7])
    assert rights.is_revoked(7)
    assert not rights.cover(b"a")


def test_a_lease_on_a_file_takes_two_hundred_bytes_at_most_whatever_the_supervisor_wrote() -> None:
    rights = Rights("app", "s1")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5_000):
            path = f"src/storm/{number}.tmp"
            rights.add(json.loads(json.dumps([lease("file", path, number)])), [path.encode()], [])
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert used / 5_000 < 200


def test_what_is_given_back_is_not_taken_from_an_answer_or_a_list_that_comes_late() -> None:
    rights = Rights("app", "s1")
    rights.add([lease("file", "tmp", 1)], [b"tmp"], [])
    rights.make(b"tmp", 1)

    assert rights.give_back([b"tmp"]) == [1]

    assert rights.lack([lease("file", "tmp", 1)])
    assert not rights.add([lease("file", "tmp", 1)], [b"tmp"], [])
    rights.replace([lease("file", "tmp", 1), lease("file", "a", 2)])
    assert rights.leases == [lease("file", "a", 2)]
    assert not rights.cover(b"tmp")


def test_all_names_of_a_file_that_folds_to_one_are_given_back_with_it() -> None:
    rights = Rights("app", "s1")
    rights.add([lease("file", "tmp", 1)], [b"TMP"], [])
    rights.add([lease("file", "tmp", 1)], [b"Tmp"], [])
    rights.make(b"TMP", 1)

    assert rights.give_back([b"TMP"]) == [1]

    assert not any(rights.cover(path) for path in (b"TMP", b"Tmp", b"tmp"))
    assert rights.leases == []


def test_a_file_that_git_took_in_is_not_given_back() -> None:
    rights = Rights("app", "s1")
    rights.add([lease("file", "a", 1)], [b"a"], [])
    rights.make(b"a", 1)

    rights.keep()

    assert not rights.is_made(b"a")
    assert rights.give_back([b"a"]) == []
    assert rights.cover(b"a")


def test_a_lease_that_is_granted_otherwise_is_had_beside_the_others() -> None:
    rights = Rights("app", "s1")
    rights.replace([lease("file", "a", 1)])

    rights.grant([lease("tree", "src", 2), lease("file", "b", 3)])

    assert all(rights.cover(path) for path in (b"a", b"b", b"src/x"))
    assert rights.newest == 3
    assert rights.leases == [lease("file", "a", 1), lease("tree", "src", 2), lease("file", "b", 3)]


def test_a_grant_that_comes_after_its_end_is_no_lease() -> None:
    rights = Rights("app", "s1")
    rights.replace([])
    rights.revoke([2])

    rights.grant([lease("tree", "src", 2), lease("file", "b", 3)])

    assert rights.leases == [lease("file", "b", 3)]
    assert not rights.cover(b"src/x")


def test_changes_alone_do_not_tell_a_worker_all_that_it_holds() -> None:
    rights = Rights("app", "s1")

    rights.revoke([1])
    rights.grant([lease("file", "b", 3)])

    assert rights.leases is None
    rights.replace([lease("file", "a", 2), lease("file", "b", 3)], 3)
    assert rights.leases == [lease("file", "a", 2), lease("file", "b", 3)]


def test_a_file_that_is_granted_under_two_tokens_is_kept_under_the_newer_one_in_whatever_order_they_come() -> (
    None
):
    rights = Rights("app", "s1")
    rights.replace([])
    rights.grant([lease("file", "a", 7)])

    rights.add_file(b"a", 5, 1.0)

    assert rights.leases == [lease("file", "a", 7)]


def test_the_end_of_a_turn_of_git_looks_through_no_files() -> None:
    rights = Rights("app", "s1")
    rights.replace([lease("file", "a", 1), lease("tree", "", 2)])
    turn = ["s1", {"kind": "resource", "repo": "", "text": "resource:git/app", "key": "resource:git/app"}]
    rights.grant([[*turn, "exclusive", 3, 1.0]])

    rights.revoke([3])

    assert rights.leases == [lease("file", "a", 1), lease("tree", "", 2)]
    assert rights.cover(b"any/thing")


def test_most_leases_revoked_at_once_give_their_room_back() -> None:
    rights = Rights("app", "s1")
    rights.replace([lease("file", f"f{number}", number) for number in range(1, 9_001)])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rights.revoke(list(range(2, 9_001)))
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert rights.leases == [lease("file", "f1", 1)]
    assert after - before < 20_000
