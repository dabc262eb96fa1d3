"""The hooks that a repository has of its own: they run as ever, beside the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper
from tests.process.gate.commits import ZERO, message, own_hook
from tests.process.gate.conftest import Enter

pytestmark = pytest.mark.process


class TestOwnHooks:
    def test_a_failing_pre_commit_of_the_repository_stops_the_commit(self, session: Checkout) -> None:
        own_hook(session.root / ".git/hooks", "pre-commit", "echo own check failed >&2; exit 1")
        session.write("mine/b")
        session.git("add", "mine/b")

        assert "own check failed" in session.refused("commit", "-m", "x")

    def test_every_hook_gets_its_arguments_and_its_input(self, session: Checkout, tmp_path: Path) -> None:
        log = tmp_path / "log"
        for name in ("commit-msg", "prepare-commit-msg", "post-commit", "reference-transaction"):
            own_hook(session.root / ".git/hooks", name, f'echo "{name} $*" >>{log}; cat >>{log}')

        after = session.commit("mine/b", message="x")

        lines = log.read_text().splitlines()
        assert "prepare-commit-msg .git/COMMIT_EDITMSG message" in lines
        assert "commit-msg .git/COMMIT_EDITMSG" in lines
        assert "post-commit " in lines
        for state in ("prepared", "committed"):
            at = lines.index(f"reference-transaction {state}")
            assert lines[at + 2].endswith(f"{after} refs/heads/main")

    def test_a_long_transaction_reaches_the_own_hook_whole(self, session: Checkout, tmp_path: Path) -> None:
        own_hook(
            session.root / ".git/hooks",
            "reference-transaction",
            f'[ "$1" != prepared ] || cat >{tmp_path}/log',
        )
        tip = session.tip()
        lines = [f"create refs/tags/t{number:03} {tip}" for number in range(100)]
        commands = tmp_path / "commands"
        commands.write_text("".join(f"{line}\n" for line in lines))

        assert session.run("sh", "-c", f"git update-ref --stdin <{commands}").returncode == 0

        seen = (tmp_path / "log").read_text()
        assert seen == "".join(f"{ZERO} {tip} refs/tags/t{number:03}\n" for number in range(100))

    def test_a_reference_transaction_of_the_repository_can_still_refuse(self, session: Checkout) -> None:
        own_hook(session.root / ".git/hooks", "reference-transaction", '[ "$1" != prepared ]')
        before = session.tip()
        session.write("mine/b")
        session.git("add", "mine/b")

        session.refused("commit", "-m", "x")

        assert session.tip() == before

    @pytest.mark.parametrize("where", [".husky/_", "/absolute"])
    def test_a_hook_folder_in_the_configuration_keeps_working(
        self, plain: Checkout, enter: Enter, tmp_path: Path, where: str
    ) -> None:
        where = where.replace("/absolute", str(tmp_path / "own hooks"))
        plain.git("config", "core.hooksPath", where)
        own_hook(plain.root / where, "pre-commit", "echo ran from $PWD >&2; exit 1")
        session = enter(plain)
        session.write("mine/b")
        session.git("add", "mine/b")

        assert f"ran from {plain.root}" in session.refused("commit", "-m", "x")

    def test_a_hook_folder_configured_during_the_session_is_found(self, session: Checkout) -> None:
        own_hook(session.root / ".husky", "pre-commit", "echo newly configured >&2; exit 1")
        session.git("config", "core.hooksPath", ".husky")
        session.write("mine/b")
        session.git("add", "mine/b")

        assert "newly configured" in session.refused("commit", "-m", "x")

    @pytest.mark.parametrize(
        ("file", "variables"),
        [
            ("home/.gitconfig", ()),
            ("home/.config/git/config", ()),
            ("xdg/git/config", ("XDG_CONFIG_HOME=xdg",)),
            ("other", ("GIT_CONFIG_GLOBAL=other",)),
        ],
    )
    def test_a_hook_folder_that_the_user_configures_during_the_session_is_found(
        self, session: Checkout, tmp_path: Path, file: str, variables: tuple[str, ...]
    ) -> None:
        config = tmp_path / file
        config.parent.mkdir(parents=True, exist_ok=True)
        own_hook(tmp_path / "mine", "pre-commit", "echo newly configured >&2; exit 1")
        session.git("config", "--file", str(config), "core.hooksPath", str(tmp_path / "mine"))
        session.write("mine/b")
        session.git("add", "mine/b")
        settings = [f"HOME={tmp_path}/home", *(line.replace("=", f"={tmp_path}/") for line in variables)]

        done = session.run(
            *("env", "-u", "GIT_CONFIG_GLOBAL", "-u", "XDG_CONFIG_HOME", *settings),
            *("git", "commit", "-m", "x"),
        )

        assert done.returncode == 1
        assert "newly configured" in done.stderr

    def test_a_relative_hook_folder_is_each_worktrees_own(
        self, plain: Checkout, enter: Enter, tmp_path: Path
    ) -> None:
        plain.git("config", "core.hooksPath", ".hooks")
        session = enter(plain)
        session.git("worktree", "add", "-q", "-b", "away", str(tmp_path / "away"))
        own_hook(tmp_path / "away/.hooks", "pre-commit", "echo the hook of away >&2; exit 1")
        away = session.at(tmp_path / "away")
        away.write("mine/b")
        away.git("add", "mine/b")

        assert "the hook of away" in away.refused("commit", "-m", "x")

    def test_a_hook_that_is_not_executable_is_passed_over_as_git_does(self, session: Checkout) -> None:
        own_hook(session.root / ".git/hooks", "pre-commit", "exit 1")
        (session.root / ".git/hooks/pre-commit").chmod(0o644)

        session.commit("mine/b")

    def test_without_a_session_the_scripts_only_chain(self, session: Checkout, keeper: Gatekeeper) -> None:
        session.commit("theirs/b", message="by hand", LEASEHOLD_SESSION="")

        assert message(session) == "by hand"
        assert keeper.asked == []
