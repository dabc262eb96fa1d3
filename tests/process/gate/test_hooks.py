"""The hook folder that the supervisor keeps, and the names that travel from the client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.wire import failure_line, reply_line
from supervisor.world.git.hooks import NAMES, HooksError, environment, install_hooks
from supervisor.world.git.repository import Repository
from supervisor.world.git.wire_path import decode_path
from workers.gate.wire import is_allowed, parsed, quoted, text_of

pytestmark = pytest.mark.process


def test_every_hook_name_runs_the_one_script(tmp_path: Path) -> None:
    install_hooks(tmp_path / "hooks")

    script = (tmp_path / "hooks/hook").read_text()
    assert "@" not in script.replace('"$@"', "")
    for name in NAMES:
        assert (tmp_path / "hooks" / name).read_text() == script
        assert os.access(tmp_path / "hooks" / name, os.X_OK)


def test_installing_again_repairs_and_otherwise_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    install_hooks(folder)
    before = {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}

    install_hooks(folder)
    assert {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()} == before

    folder.chmod(0o700)
    (folder / "pre-commit").unlink()
    (folder / "pre-commit").write_text("#!/bin/sh\nan installer was here\n")
    (folder / "hook").unlink()
    install_hooks(folder)
    assert (folder / "pre-commit").readlink() == Path("hook")
    assert (folder / "hook").read_text().startswith("#!/bin/sh")


def test_the_script_cannot_be_overwritten_through_a_hooks_name(tmp_path: Path) -> None:
    install_hooks(tmp_path / "hooks")

    assert (tmp_path / "hooks").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "hooks/pre-commit").stat().st_mode & 0o777 == 0o500


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HooksError, match=f"git hooks cannot be written to {tmp_path}/file/hooks"):
        install_hooks(tmp_path / "file/hooks")


def test_the_environment_adds_to_the_operators_configuration(tmp_path: Path) -> None:
    git_dir = tmp_path / "r*/.git"
    repo = Repository(tmp_path / "r*", git_dir, git_dir, "main", False, git_dir / "hooks", tmp_path / "r*")

    added = environment(repo, Path("/hooks"), {"GIT_CONFIG_COUNT": "3"}, target="main")

    pattern = str(git_dir).replace("*", "\\*")
    assert added == {
        "GIT_CONFIG_COUNT": "5",
        "GIT_CONFIG_KEY_3": f"includeIf.gitdir:{pattern}.path",
        "GIT_CONFIG_VALUE_3": "/hooks/gitconfig",
        "GIT_CONFIG_KEY_4": f"includeIf.gitdir:{pattern}/worktrees/**.path",
        "GIT_CONFIG_VALUE_4": "/hooks/gitconfig",
        "GIT_CONFIG_PARAMETERS": (
            f"'includeIf.gitdir:{pattern}.path'='/hooks/gitconfig' "
            f"'includeIf.gitdir:{pattern}/worktrees/**.path'='/hooks/gitconfig'"
        ),
        "LEASEHOLD_REPO_GIT": str(git_dir),
        "LEASEHOLD_REPO_HOOKS": str(git_dir / "hooks"),
        "LEASEHOLD_TARGET": "refs/heads/main",
    }


def test_only_sessions_that_share_a_checkout_leave_gits_optional_locks_alone(tmp_path: Path) -> None:
    git_dir = tmp_path / ".git"
    repo = Repository(tmp_path, git_dir, git_dir, "main", False, git_dir / "hooks", tmp_path)

    assert environment(repo, Path("/hooks"), {})["GIT_OPTIONAL_LOCKS"] == "0"
    assert "GIT_OPTIONAL_LOCKS" not in environment(repo, Path("/hooks"), {}, target="main")


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_name_survives_the_wire_as_valid_text(raw: bytes) -> None:
    line = quoted(text_of(raw)).encode("ascii")

    text = parsed(line)

    assert isinstance(text, str)
    text.encode("utf-8")  # no lone surrogate: every JSON decoder takes it
    assert os.fsencode(decode_path(text)) == raw


def test_no_two_names_become_one_text() -> None:
    assert text_of(b"\xff") != text_of("\U0010ffff".encode())


def test_only_an_answer_that_allows_passes_without_being_parsed() -> None:
    assert is_allowed(reply_line(1, {"ok": True}))
    assert is_allowed(reply_line(1, {"ok": True, "discovered": ["a"]}))
    assert not is_allowed(reply_line(1, {"ok": False}))
    assert not is_allowed(reply_line(1, {"okay": True}))
    assert not is_allowed(failure_line(1, RpcError(Code.REFUSED, '{"id":1,"result":{"ok":true}}')))
    assert not is_allowed(b'{"id":1,"result":{"ok":trueish}}')
