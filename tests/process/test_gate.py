"""The commit gate, with real git: what lands, what does not, and what the client says."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import anyio
import pytest

from supervisor.world.git.hooks import environment, install_hooks
from supervisor.world.git.repository import Repository, open_repository
from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper

pytestmark = pytest.mark.process

ZERO = "0" * 40


def opened(checkout: Checkout) -> Repository:
    return anyio.run(open_repository, checkout.root)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository to copy: mine/a and theirs/a on main, and commits on side branches."""
    checkout = Checkout.init(tmp_path_factory.mktemp("template"))
    checkout.commit("mine/a", "theirs/a", message="both")
    for branch, path in (("good", "mine/good"), ("bad", "theirs/bad")):
        checkout.git("checkout", "-q", "-b", branch, "main")
        checkout.commit(path, message=branch)
    checkout.git("checkout", "-q", "main")
    return checkout.root


@pytest.fixture
def plain(template: Path, tmp_path: Path) -> Checkout:
    """Return a repository outside any session."""
    shutil.copytree(template, tmp_path / "repo")
    return Checkout(tmp_path / "repo")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(tmp_path / "socket")
    yield keeper
    keeper.close()


Enter = Callable[..., Checkout]


@pytest.fixture
def enter(tmp_path: Path, keeper: Gatekeeper) -> Enter:
    """Return what puts a checkout into a session that holds mine/."""

    def enter(checkout: Checkout, *, target: str = "") -> Checkout:
        folder = tmp_path / "hooks"
        install_hooks(folder)
        identity = {
            "LEASEHOLD_SESSION": "s-7",
            "LEASEHOLD_TASK": "fix-it",
            "LEASEHOLD_SOCKET": str(keeper.path),
            "LEASEHOLD_TOKEN": 'se"cret',
        }
        injected = environment(opened(checkout), folder, checkout.env, target=target)
        return Checkout(checkout.root, checkout.env | identity | injected)

    return enter


@pytest.fixture
def session(plain: Checkout, enter: Enter) -> Checkout:
    return enter(plain)


def own_hook(folder: Path, name: str, body: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / name
    hook.write_text(f"#!/bin/sh\n{body}\n")
    hook.chmod(0o755)


def message(checkout: Checkout, ref: str = "HEAD") -> str:
    return checkout.git("log", "-1", "--format=%B", ref).rstrip("\n")


def trailers(checkout: Checkout, ref: str = "HEAD") -> list[str]:
    return checkout.git("log", "-1", "--format=%(trailers:only)", ref).split()


BOTH = ["Leasehold-Session:", "s-7", "Leasehold-Task:", "fix-it"]


def answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)


def answer_each(listener: socket.socket, answers: Iterable[bytes]) -> None:
    for answer in answers:
        answer_once(listener, answer)


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


class TestTheClient:
    def test_a_supervisor_that_is_gone_refuses_in_one_clear_line(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        before = session.tip()
        session.write("mine/b")
        session.git("add", "mine/b")

        said = session.refused(
            "commit", "-m", "x", LEASEHOLD_SOCKET=f"{keeper.path}.gone", LEASEHOLD_GATE_WAIT="0"
        )

        assert session.tip() == before
        lines = [line for line in said.splitlines() if line.startswith("leasehold:")]
        assert len(lines) == 1
        assert (
            f"does not answer at {keeper.path}.gone (No such file or directory), so the update is" in lines[0]
        )

    @pytest.mark.parametrize(
        "answer", [b"", b"nonsense\n", b"[]\n", b'{"id":1}\n', b'{"result":{"ok":1}}\n', b'{"result":']
    )
    def test_an_answer_that_is_none_refuses(self, session: Checkout, tmp_path: Path, answer: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "odd"))
            listener.listen()
            session.write("mine/b")
            session.git("add", "mine/b")
            clerk = threading.Thread(target=answer_once, args=(listener, answer))
            clerk.start()
            odd = str(tmp_path / "odd")
            said = session.refused("commit", "-m", "x", LEASEHOLD_SOCKET=odd, LEASEHOLD_GATE_WAIT="0")
            clerk.join(10)

        assert said.count("leasehold: ") == 1

    def test_a_supervisor_that_dies_between_question_and_answer_is_asked_again(
        self, session: Checkout, tmp_path: Path
    ) -> None:
        answers = (b"", b'{"result":', b'{"id":1,"result":{"ok":true}}\n')
        session.write("mine/b")
        session.git("add", "mine/b")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "restarting"))
            listener.listen()
            clerk = threading.Thread(target=answer_each, args=(listener, answers))
            clerk.start()
            session.git("commit", "-q", "-m", "x", LEASEHOLD_SOCKET=str(tmp_path / "restarting"))
            clerk.join(10)

        assert session.git("log", "-1", "--format=%s") == "x"

    def test_names_of_any_bytes_arrive_as_they_are(self, session: Checkout, keeper: Gatekeeper) -> None:
        names = [
            b"mine/caf\xc3\xa9",
            b"mine/\xff\xfe",
            b'mine/li"ne\nbreak',
            "mine/\U0010ff90".encode(),
            b"mine/\\x",
        ]
        for name in names:
            (Path(os.fsdecode(os.fsencode(session.root) + b"/" + name))).write_text("x")
        session.git("add", "mine")
        session.git("commit", "-q", "-m", "odd")

        assert sorted(map(os.fsencode, keeper.paths())) == sorted(names)

    def test_a_commit_of_many_files_is_asked_in_lines_of_bounded_length(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        (session.root / "mine/many").mkdir()
        names = [f"mine/many/{'x' * 180}{number}" for number in range(1500)]
        for name in names:
            (session.root / name).touch()
        session.git("add", "mine")

        session.git("commit", "-q", "-m", "many")

        assert len(keeper.asked) > 1
        assert sorted(keeper.paths()) == sorted(names)


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
