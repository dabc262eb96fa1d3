"""What the commit gate lets land, with real git, and what every commit of a session carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper
from tests.process.gate.commits import BOTH, ZERO, message, own_hook, trailers

pytestmark = pytest.mark.process


class TestWhatLands:
    def test_a_commit_inside_the_leases_lands_with_its_trailers(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        before = session.tip()

        after = session.commit("mine/b", message="add b")

        assert message(session) == "add b\n\nLeasehold-Session: s-7\nLeasehold-Task: fix-it"
        assert keeper.asked == [
            {
                "token": 'se"cret',
                "updates": [
                    {
                        "ref": "refs/heads/main",
                        "old": before,
                        "new": after,
                        "kind": "update",
                        "paths": ["mine/b"],
                    }
                ],
            }
        ]

    @pytest.mark.parametrize(
        "command",
        [
            ("merge", "-q", "--no-edit", "good"),
            ("merge", "-q", "--no-ff", "--no-edit", "good"),
            ("cherry-pick", "good"),
            ("rebase", "-q", "good"),
            ("reset", "-q", "--hard", "good"),
            ("branch", "-f", "other", "good"),
            ("branch", "-D", "bad"),
            ("branch", "-m", "bad", "worse"),
            ("checkout", "-q", "--detach", "bad"),
            ("checkout", "-q", "bad"),
            ("branch", "copy", "bad"),
            ("tag", "mark", "bad"),
            ("stash", "list"),
        ],
        ids=" ".join,
    )
    def test_what_stays_inside_the_leases_or_moves_no_branch_passes(
        self, session: Checkout, command: tuple[str, ...]
    ) -> None:
        session.git(*command)

    def test_a_merge_commit_carries_the_trailers(self, session: Checkout) -> None:
        session.git("merge", "-q", "--no-ff", "--no-edit", "good")

        assert trailers(session) == BOTH

    def test_a_squashed_merge_carries_the_trailers(self, session: Checkout) -> None:
        session.git("merge", "-q", "--squash", "good")
        session.git("commit", "-q", "--no-edit")

        assert trailers(session) == BOTH

    def test_an_amended_commit_carries_them_once(self, session: Checkout) -> None:
        session.commit("mine/b")
        session.git("commit", "-q", "--amend", "-m", "again")
        session.git("commit", "-q", "--amend", "--no-edit")

        assert trailers(session) == BOTH

    def test_a_commit_rewritten_by_another_session_names_both_the_last_one_last(
        self, session: Checkout
    ) -> None:
        session.commit("mine/b")
        session.git("commit", "-q", "--amend", "--no-edit", LEASEHOLD_SESSION="s-8")

        assert trailers(session) == [*BOTH, "Leasehold-Session:", "s-8"]

    def test_an_editor_that_replaces_the_whole_text_does_not_lose_the_trailers(
        self, session: Checkout, tmp_path: Path
    ) -> None:
        own_hook(tmp_path, "editor", 'echo "from scratch" >"$1"')
        session.write("mine/b")
        session.git("add", "mine/b")
        session.git("commit", "-q", GIT_EDITOR=str(tmp_path / "editor"))

        assert message(session) == "from scratch\n\nLeasehold-Session: s-7\nLeasehold-Task: fix-it"

    def test_an_empty_message_still_calls_the_commit_off(self, session: Checkout) -> None:
        session.write("mine/b")
        session.git("add", "mine/b")

        assert "empty commit message" in session.refused("commit", "-q")

    def test_no_verify_leaves_the_trailers(self, session: Checkout) -> None:
        session.write("mine/b")
        session.git("add", "mine/b")
        session.git("commit", "-q", "--no-verify", "-m", "quick")

        assert trailers(session) == BOTH

    def test_a_patch_applied_from_a_mail_carries_the_trailers(
        self, session: Checkout, tmp_path: Path
    ) -> None:
        session.git("format-patch", "-q", "-1", "-o", str(tmp_path), "good")
        session.git("am", "-q", str(tmp_path / "0001-good.patch"))

        assert trailers(session) == BOTH

    def test_the_first_commit_of_an_orphan_branch_is_judged_whole(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        session.git("checkout", "-q", "--orphan", "fresh")
        session.git("rm", "-rq", "--cached", ".")
        session.commit("mine/first")

        assert [(u["kind"], u["paths"]) for u in keeper.updates] == [("create", ["mine/first"])]

    def test_a_new_branch_is_judged_by_the_commits_that_no_branch_had(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        session.git("checkout", "-q", "--detach")
        session.commit("mine/x")
        session.commit("mine/y")
        session.git("branch", "kept")

        assert keeper.updates[0]["kind"] == "create"
        assert sorted(keeper.paths()) == ["mine/x", "mine/y"]

    def test_a_deleted_branch_is_asked_about_without_paths(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        tip = session.tip("good")

        session.git("branch", "-D", "good")

        update = {"ref": "refs/heads/good", "old": tip, "new": ZERO, "kind": "delete", "paths": []}
        assert update in keeper.updates


def test_packing_refs_moves_no_branch_and_deleting_a_packed_one_still_does(
    session: Checkout, keeper: Gatekeeper
) -> None:
    before = session.git("for-each-ref")

    session.git("pack-refs", "--all")
    session.git("gc", "-q")

    assert session.git("for-each-ref") == before
    assert not (session.root / ".git/refs/heads/good").exists()
    assert keeper.updates == []
    session.git("branch", "-D", "good")
    assert {(update["ref"], update["kind"]) for update in keeper.updates} == {("refs/heads/good", "delete")}
