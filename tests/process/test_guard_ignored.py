"""Ignored paths: the worker's answers are git's own, asked or not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workers.guard.ignored import Ignored

pytestmark = [pytest.mark.guard, pytest.mark.process]

_RULES = (
    b"*.log\nbuild/\n!keep.log\n",
    b"/top\nsub/deep\n*.o\n\xff*\n",
    b"\xef\xbb\xbffirst\r\nsecond/ \r\n",
    b"a?c\n[xy]z\nname with blank\nab*yz\n",
    b"**/far\nnear/**\nmid/**/end\n",
    b"\\#odd\n\\!odd\nx[a/b]y\n*\n!*/\n!*.txt\n",
    b"UPPER\n*.TMP\n",
    b"*.[lo][og]g\n[!a]bc\n[m-n].o\n[]x]z\n[[:alpha:]]bc\n",
)
_NAMES = (
    b"a.log", b"keep.log", b"build", b"top", b"deep", b"m.o", b"\xffx", b"first", b"second", b"abc", b"xz",
    b"name with blank", b"ab--yz", b"far", b"near", b"mid", b"end", b"#odd", b"!odd", b"xay", b"upper", b"x.tmp", b"p.txt",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    subprocess.run(["git", "init", "-q", tmp_path / "repo"], check=True, timeout=60)
    return tmp_path / "repo"


@pytest.fixture
def ignored(root):
    git = shutil.which("git")
    assert git is not None
    made = Ignored(os.fsencode(root), git, os.fsencode(root / ".git"))
    yield made
    made.close()


def _gits(root: Path, paths: list[bytes]) -> set[bytes]:
    done = subprocess.run(
        ["git", "check-ignore", "--stdin", "-z"], cwd=root, input=b"\0".join(paths), capture_output=True, timeout=60
    )  # fmt: skip
    return set(done.stdout.split(b"\0")) - {b""}


@pytest.mark.parametrize(
    "place", [".gitignore", "sub/.gitignore", ".git/info/exclude", "../home/.config/git/ignore"]
)
@pytest.mark.parametrize("rules", _RULES)
def test_the_worker_says_of_every_path_what_git_says(root, ignored, rules, place):
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_bytes(rules)
    paths = [*_NAMES, *(b"sub/" + name for name in _NAMES)]
    for name in _NAMES:
        paths += [folder + name + b"/" + other for folder in (b"in/", b"sub/in/") for other in _NAMES[::5]]
    for path in paths:
        (root / os.fsdecode(path)).parent.mkdir(parents=True, exist_ok=True)

    found = {path for path in paths if ignored.covers(path)}

    assert found == _gits(root, paths)


def test_a_rule_file_named_in_the_configuration_counts(root, ignored, tmp_path):
    (tmp_path / "mine").write_text("*.secret\n")
    subprocess.run(
        ["git", "config", "core.excludesFile", tmp_path / "mine"], cwd=root, check=True, timeout=60
    )

    assert ignored.covers(b"a.secret")
    assert not ignored.covers(b"a.public")


def test_git_is_not_started_for_paths_that_no_rule_could_match(root, ignored):
    (root / ".gitignore").write_text("node_modules/\n*.log\n")

    assert not ignored.covers(b"src/main.py")
    assert ignored.pid == 0
    assert ignored.covers(b"src/main.log")
    assert ignored.pid != 0


def test_a_git_that_ended_and_was_reaped_by_the_worker_is_replaced_and_no_other_process_signalled(
    root, ignored
):
    (root / ".gitignore").write_text("*.log\n")
    assert ignored.covers(b"a.log")
    os.kill(ignored.pid, 9)
    os.waitpid(ignored.pid, 0)  # as the worker does with all children

    ignored.covers(b"b.log")  # nobody could say: then it counts as not ignored

    assert ignored.covers(b"c.log")
    assert ignored.pid != 0


def test_a_git_that_was_reaped_does_not_keep_the_worker_from_its_end(root, ignored):
    (root / ".gitignore").write_text("*.log\n")
    assert ignored.covers(b"a.log")
    os.kill(ignored.pid, 9)
    os.waitpid(ignored.pid, 0)

    ignored.close()

    assert ignored.pid == 0


def test_nothing_is_remembered_of_the_folders_below_an_ignored_one(root, ignored):
    (root / ".gitignore").write_text("node_modules/\n")

    assert all(ignored.covers(b"node_modules/p%d/lib/index.js" % number) for number in range(500))

    assert len(ignored._rules) <= 3
    assert len(ignored._answers) == 1


def test_a_rule_file_in_an_ignored_folder_counts_once_the_folder_is_ignored_no_more(
    root, ignored, monkeypatch
):
    monkeypatch.setattr("workers.guard.ignored._FRESH", 0.0)
    (root / ".gitignore").write_text("out/\n")
    (root / "out").mkdir()
    (root / "out/.gitignore").write_text("*.log\n")
    assert ignored.covers(b"out/a.txt")

    (root / ".gitignore").write_text("other/ # and longer\n")

    assert not ignored.covers(b"out/a.txt")
    assert ignored.covers(b"out/a.log")


def test_a_tracked_file_below_an_ignored_folder_is_not_ignored_and_its_neighbours_are(root, ignored):
    (root / ".gitignore").write_text("out/\n")
    (root / "out/deep").mkdir(parents=True)
    (root / "out/deep/kept").touch()
    subprocess.run(["git", "add", "-f", "out/deep/kept"], cwd=root, check=True, timeout=60)

    assert not ignored.covers(b"out/deep/kept")
    assert ignored.covers(b"out/other/name") == (b"out/other/name" in _gits(root, [b"out/other/name"]))
    assert ignored.covers(b"out/name") == (b"out/name" in _gits(root, [b"out/name"]))


def test_what_is_remembered_has_its_bounds_and_stays_right_beyond_them(root, ignored, monkeypatch):
    monkeypatch.setattr("workers.guard.ignored._WATCHED", 10)
    monkeypatch.setattr("workers.guard.ignored._REMEMBERED", 10)
    (root / ".gitignore").write_text("*.log\n")
    for number in range(100):
        folder = root / f"d{number}"
        folder.mkdir()
        (folder / ".gitignore").write_text(f"{number}.o\n" if number % 20 == 0 else "")

    for number in range(100):
        assert ignored.covers(b"d%d/x.log" % number)
        assert ignored.covers(b"d%d/%d.o" % (number, number)) == (number % 20 == 0)

    assert len(ignored._answers) <= 10
