"""What the commit gate does not let land, by whatever command of git."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper
from tests.process.gate.commits import BOTH, trailers
from tests.process.gate.conftest import Enter

pytestmark = pytest.mark.process


class TestWhatDoesNotLand:
    @pytest.fixture
    def staged(self, session: Checkout) -> Checkout:
        session.write("theirs/a", "mine now\n")
        session.git("add", "theirs/a")
        return session

    @pytest.mark.parametrize(
        "command",
        [
            ("commit", "-m", "no"),
            ("commit", "--no-verify", "-m", "no"),
            ("commit", "--amend", "--no-edit"),
        ],
        ids=" ".join,
    )
    def test_promise_5_a_commit_outside_the_leases_leaves_the_branch_where_it_was(
        self, staged: Checkout, command: tuple[str, ...]
    ) -> None:
        before = staged.tip()

        said = staged.refused(*command)

        assert staged.tip() == before
        assert "leasehold: the commit is refused" in said
        assert "leasehold:   theirs/a: held by session other" in said

    @pytest.mark.parametrize(
        "command",
        [
            ("merge", "-q", "--no-edit", "bad"),
            ("merge", "-q", "--no-ff", "--no-edit", "bad"),
            ("cherry-pick", "bad"),
            ("rebase", "-q", "bad"),
            ("reset", "-q", "--hard", "bad"),
            ("reset", "-q", "--hard", "main~1"),
            ("update-ref", "refs/heads/main", "bad"),
            ("update-ref", "HEAD", "bad"),
            ("branch", "-f", "good", "bad"),
            ("fetch", "-q", ".", "+bad:good"),
            ("push", "-q", ".", "+bad:good"),
            ("push", "-q", "--force", ".", "main:bad"),
        ],
        ids=" ".join,
    )
    def test_promise_6_no_command_moves_a_branch_over_foreign_paths(
        self, session: Checkout, command: tuple[str, ...]
    ) -> None:
        before = session.git("for-each-ref", "refs/heads")

        said = session.refused(*command)

        assert session.git("for-each-ref", "refs/heads") == before
        assert "held by session other" in said

    def test_plumbing_without_porcelain_is_judged_too(self, staged: Checkout) -> None:
        before = staged.tip()
        made = staged.git("commit-tree", staged.git("write-tree"), "-p", "HEAD", "-m", "by hand")

        staged.refused("update-ref", "refs/heads/main", made)
        staged.refused("update-ref", "refs/heads/new", made)

        assert staged.tip() == before

    def test_one_foreign_branch_in_a_transaction_stops_them_all(self, session: Checkout) -> None:
        before = session.git("for-each-ref", "refs/heads")

        done = session.run(
            "sh",
            "-c",
            "printf 'update refs/heads/good main\nupdate refs/heads/main bad\n' | git update-ref --stdin",
        )

        assert done.returncode != 0
        assert session.git("for-each-ref", "refs/heads") == before

    def test_a_linked_worktree_of_the_repository_is_judged_too(
        self, session: Checkout, tmp_path: Path
    ) -> None:
        session.git("worktree", "add", "-q", "-b", "away", str(tmp_path / "away"))
        away = session.at(tmp_path / "away")

        away.commit("mine/b")
        away.write("theirs/b")
        away.git("add", "theirs/b")

        assert trailers(away) == BOTH
        assert "held by session other" in away.refused("commit", "-m", "no")

    def test_a_rename_is_judged_by_both_names(self, session: Checkout, keeper: Gatekeeper) -> None:
        session.git("mv", "theirs/a", "mine/taken")

        session.refused("commit", "-m", "take")

        assert sorted(keeper.paths()) == ["mine/taken", "theirs/a"]


class TestTargets:
    """A session on a branch of its own, whose target has moved on by another session's work."""

    @pytest.fixture
    def branch(self, plain: Checkout, enter: Enter) -> Checkout:
        plain.git("checkout", "-q", "-b", "topic")
        session = enter(plain, target="main")
        session.commit("mine/b")
        plain.git("checkout", "-q", "main")
        plain.commit("theirs/landed")
        plain.git("checkout", "-q", "topic")
        return session

    @pytest.mark.parametrize(
        "command", [("rebase", "-q", "main"), ("merge", "-q", "--no-edit", "main")], ids=" ".join
    )
    def test_what_landed_on_the_target_may_be_taken_in(
        self, branch: Checkout, command: tuple[str, ...]
    ) -> None:
        branch.git(*command)

        assert (branch.root / "theirs/landed").exists()

    def test_going_back_behind_it_on_the_own_branch_is_no_foreign_change(self, branch: Checkout) -> None:
        branch.git("rebase", "-q", "main")

        branch.git("reset", "-q", "--hard", "main~1")

    def test_own_commits_over_foreign_paths_are_still_refused(self, branch: Checkout) -> None:
        branch.write("theirs/landed", "changed\n")
        branch.git("add", ".")

        assert "held by session other" in branch.refused("commit", "-m", "no")
        assert "held by session other" in branch.refused("reset", "-q", "--hard", "bad")

    def test_a_merge_that_slips_in_a_foreign_change_is_refused(self, branch: Checkout) -> None:
        branch.git("merge", "-q", "--no-commit", "--no-ff", "main")
        branch.write("theirs/landed", "slipped in\n")
        branch.git("add", ".")

        assert "held by session other" in branch.refused("commit", "--no-edit")

    def test_the_target_itself_is_judged_by_all_that_changes(self, branch: Checkout) -> None:
        before = branch.tip("main")

        branch.refused("branch", "-f", "main", "bad")

        assert branch.tip("main") == before
