"""Repositories that are not the session's are left alone; its own is gated wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper
from tests.process.gate.commits import BOTH, message, own_hook, trailers
from tests.process.gate.conftest import Enter

pytestmark = pytest.mark.process


class TestOtherRepositories:
    def test_another_repository_keeps_its_hooks_and_is_not_judged(
        self, session: Checkout, keeper: Gatekeeper, tmp_path: Path
    ) -> None:
        other = session.at(Checkout.init(tmp_path / "other").root)
        own_hook(other.root / ".git/hooks", "pre-commit", f"echo ran >{tmp_path}/ran")

        other.commit("theirs/x", message="elsewhere")

        assert message(other) == "elsewhere"
        assert (tmp_path / "ran").exists()
        assert keeper.asked == []

    def test_a_repository_nested_in_the_sessions_is_another_one(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        nested = session.at(Checkout.init(session.root / "vendor/lib").root)

        nested.commit("theirs/x", message="nested")

        assert message(nested) == "nested"
        assert keeper.asked == []

    def test_a_changed_submodule_is_a_name_like_any_other(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        Checkout.init(session.root / "mine/lib")
        session.run("git", "add", "mine/lib")

        session.git("commit", "-q", "-m", "pin")

        assert keeper.paths() == ["mine/lib"]

    def test_a_path_with_glob_characters_matches_only_itself(self, tmp_path: Path, enter: Enter) -> None:
        session = enter(Checkout.init(tmp_path / "we[ird]*"))
        other = session.at(Checkout.init(tmp_path / "wei").root)

        session.commit("mine/x")
        other.commit("mine/x")

        assert trailers(session) == BOTH
        assert trailers(other) == []

    def test_a_git_folder_elsewhere_is_still_the_sessions_repository(
        self, tmp_path: Path, enter: Enter
    ) -> None:
        session = enter(Checkout.init(tmp_path / "tree", "--separate-git-dir", str(tmp_path / "store.git")))

        session.commit("mine/x")

        assert trailers(session) == BOTH

    def test_configuration_from_the_operators_environment_stays(self, plain: Checkout, enter: Enter) -> None:
        operator = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "Operator",
        }

        session = enter(Checkout(plain.root, operator))

        assert session.git("config", "user.name") == "Operator"
        session.commit("mine/b")
        assert trailers(session) == BOTH

    def test_a_harness_that_gives_its_shell_an_empty_hook_folder_does_not_switch_the_gate_off(
        self, session: Checkout
    ) -> None:
        count = int(session.env["GIT_CONFIG_COUNT"])
        emptied = {
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": "core.hooksPath",
            f"GIT_CONFIG_VALUE_{count}": "",
        }
        within = Checkout(session.root, session.env | emptied)

        within.commit("mine/b")

        assert trailers(within) == BOTH

    def test_a_path_with_quotes_and_exclamation_marks_is_gated(self, tmp_path: Path, enter: Enter) -> None:
        session = enter(Checkout.init(tmp_path / "it's! a=b"))

        session.commit("mine/x")

        assert trailers(session) == BOTH
