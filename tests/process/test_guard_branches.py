"""Deleting, rewinding and repacking branches under the guard, by git and by hand."""

from __future__ import annotations

import pytest

from tests.process.test_guard_session import AGENT, output, script

pytestmark = [pytest.mark.guard, pytest.mark.process]

REFUSED = [
    "git update-ref -d refs/heads/main",
    "git pack-refs --all; git update-ref -d refs/heads/main",
    "git pack-refs --all --no-prune; git update-ref -d refs/heads/main",
    "git symbolic-ref refs/heads/main refs/heads/old",
    "git branch -M main gone",
    "git update-ref -d refs/heads/leasehold/s-other",
    "git pack-refs --all; git update-ref -d refs/heads/leasehold/s-other",
    "git branch -D leasehold/s-other old",
    "rm $GITS/refs/heads/main",
    "mv $GITS/refs/heads/main $GITS/away",
    "mv $GITS/refs/heads $GITS/away",
    "cat $GITS/refs/heads/old > $GITS/refs/heads/main",
    "cp $GITS/refs/heads/old $GITS/by-hand; mv $GITS/by-hand $GITS/refs/heads/main",
    "mkfifo $GITS/refs/heads/main.lock; mv $GITS/refs/heads/main.lock $GITS/refs/heads/main",
    "git pack-refs --all; : > $GITS/packed-refs",
    "git pack-refs --all; : > $GITS/by-hand; mv $GITS/by-hand $GITS/packed-refs",
    "git pack-refs --all; rm $GITS/packed-refs",
]


def branches(site) -> str:
    listed: str = site.git("for-each-ref", "refs/heads/main", "refs/heads/leasehold/s-other")
    return listed


@pytest.fixture(params=["shared", "worktree"])
def apart(site, request):
    """Return a site with an older branch, one of another session, and sessions of either isolation."""
    site.git("branch", "old")
    site.write("later.txt", "later\n")
    site.git("add", "later.txt")
    site.git("commit", "-qm", "Later")
    site.git("branch", "leasehold/s-other")
    site.configure(AGENT, repo={"isolation": request.param}, retry={"attempts": 1})
    return site


@pytest.mark.parametrize("command", REFUSED)
def test_promise_6_no_session_takes_away_a_branch_that_others_are_on(apart, command):
    before = branches(apart)
    script(apart, "only", f"GITS=$(git rev-parse --git-common-dir); {command}; echo code $?; exit 75")

    apart.start()
    apart.wait_for("session.ended", task="only")

    said = output(apart, "only")
    assert branches(apart) == before, said
    assert "code 0" not in said
    assert "leasehold: " in said


def test_a_session_packs_refs_and_deletes_renames_and_aliases_branches_of_its_own(apart):
    before = branches(apart)
    script(
        apart,
        "only",
        "set -ex; git branch mine; git branch -m mine mine2; git pack-refs --all; git branch -D mine2; "
        "git branch loose; git branch -D loose; git symbolic-ref refs/heads/alias refs/heads/old; "
        "git symbolic-ref -d refs/heads/alias; git gc -q; git branch -D old; echo all of it; exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    assert "all of it" in output(apart, "only").splitlines()
    assert branches(apart) == before
    assert apart.git("branch", "--list", "mine*", "loose", "old", "alias") == ""


def test_promise_6_without_the_guard_gits_hook_keeps_these_branches_too(apart):
    config = apart.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + '\n[guard]\nmode = "off"\n')
    before = branches(apart)
    script(
        apart,
        "only",
        "for name in main leasehold/s-other; do git update-ref -d refs/heads/$name; echo code $?; done; "
        "git branch -D old; exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    said = output(apart, "only")
    assert branches(apart) == before, said
    assert "code 0" not in said
    assert apart.git("branch", "--list", "old") == ""


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_promise_6_the_branch_of_a_humans_linked_work_tree_stays_where_it_is(apart, tmp_path, guard):
    config = apart.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + f'\n[guard]\nmode = "{guard}"\n')
    apart.git("worktree", "add", "-q", "-b", "theirs", str(tmp_path / "theirs"), "old")
    before = apart.git("rev-parse", "theirs")
    alias = "git symbolic-ref refs/heads/theirs refs/heads/main; echo code $?;" if guard == "auto" else ""
    script(
        apart,
        "only",
        "git update-ref refs/heads/theirs main; echo code $?; git update-ref -d refs/heads/theirs; echo code $?; "
        f"git push -q . main:theirs; echo code $?; {alias} exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    said = output(apart, "only")
    assert apart.git("rev-parse", "theirs") == before, said
    assert "code 0" not in said
    assert f"theirs: the work tree {tmp_path / 'theirs'} is on this branch" in said


def test_a_session_commits_in_a_linked_work_tree_that_it_made(apart, tmp_path):
    script(
        apart,
        "only",
        f"set -ex; git worktree add -q -b helper {tmp_path}/helper; cd {tmp_path}/helper; echo x > new.txt; git add new.txt; "
        "git commit -qm New; git commit -q --amend -m Newer; git reset -q --hard HEAD; git rebase -q HEAD~1; "
        "echo all of it; exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    assert "all of it" in output(apart, "only").splitlines(), output(apart, "only")
    assert apart.git("log", "-1", "--format=%s", "helper").strip() == "Newer"


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_no_commit_is_lost_with_a_branch_that_a_session_deletes(apart, guard):
    config = apart.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + f'\n[guard]\nmode = "{guard}"\n')
    apart.git(
        "branch", "precious", apart.git("commit-tree", "-p", "main", "-m", "Precious", "main^{tree}").strip()
    )
    commit = apart.git("rev-parse", "precious").strip()
    script(
        apart,
        "only",
        "set -ex; git branch -D precious; git branch -D old; git checkout -q -b own; git commit -q --allow-empty -m Own; "
        "git checkout -q -; git branch -D own; echo all of it; exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    assert "all of it" in output(apart, "only").splitlines(), output(apart, "only")
    kept = f"refs/leasehold/deleted/precious/{commit[:12]}"
    apart.until(lambda: apart.git("for-each-ref", "refs/leasehold/deleted") != "")
    assert apart.git("for-each-ref", "--format=%(refname)", "refs/leasehold/deleted").split() == [kept]
    assert apart.git("rev-parse", kept).strip() == commit


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_no_commit_is_lost_where_a_session_moves_a_branch_back(apart, guard):
    config = apart.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + f'\n[guard]\nmode = "{guard}"\n')
    commits = {}
    for name in ("moved", "extended"):
        made = apart.git("commit-tree", "-p", "main", "-m", name, "main^{tree}").strip()
        commits[name] = made
        apart.git("branch", name, made)
    script(
        apart,
        "only",
        "set -ex; git branch -f moved main; git checkout -q -b own; git commit -q --allow-empty -m Own; "
        "git commit -q --amend --allow-empty -m Owner; git checkout -q extended; git commit -q --allow-empty -m More; "
        "git rev-parse HEAD; git checkout -q own; git branch -D extended; echo all of it; exit 75",
    )

    apart.start()
    apart.wait_for("session.ended", task="only")

    said = output(apart, "only").splitlines()
    assert "all of it" in said, said

    def kept() -> set[str]:
        return set(apart.git("for-each-ref", "--format=%(refname)", "refs/leasehold/deleted").split())

    apart.until(lambda: len(kept()) == 2)
    (more,) = [ref for ref in kept() if "extended" in ref]
    assert kept() == {f"refs/leasehold/deleted/moved/{commits['moved'][:12]}", more}
    assert apart.git("log", "-2", "--format=%s", more).split() == ["More", "extended"]
