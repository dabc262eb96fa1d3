"""Git's one list of stashes under the guard: nobody loses an entry to a session, and each gets its own back."""

from __future__ import annotations

import pytest

from tests.process.test_guard_session import AGENT, output, pipes, script

pytestmark = [pytest.mark.guard, pytest.mark.process]

TAKES_AWAY = [
    "git stash pop",
    "git stash drop",
    "git stash drop 0",
    "git stash clear",
    "git stash branch mine",
    "git reflog delete --updateref --rewrite stash@{0}",
    "git reflog expire --expire=now --all",
    "git update-ref -d refs/stash",
]


@pytest.fixture(params=["shared", "worktree"])
def stashed(site, request):
    """Return a site with a stash of a human's from yesterday, and sessions of either isolation."""
    site.write("README.md", "a human's\n")
    site.environ["GIT_COMMITTER_DATE"] = "@1700000000 +0000"
    site.git("stash", "-q")
    del site.environ["GIT_COMMITTER_DATE"]
    site.configure(AGENT, repo={"isolation": request.param}, retry={"attempts": 1})
    return site


@pytest.mark.parametrize("command", TAKES_AWAY)
def test_no_session_takes_away_a_stash_from_before_it_began(stashed, command):
    script(stashed, "only", f"{command}; echo code $?; exit 75")

    stashed.start()
    stashed.wait_for("session.ended", task="only")

    said = output(stashed, "only")
    assert stashed.git("stash", "list").startswith("stash@{0}: WIP on main"), said
    assert "code 0" not in said
    assert "is from before this session began, so it stays where it is" in said


def test_a_session_gets_its_own_stash_back_and_may_take_up_an_older_one(stashed):
    script(
        stashed,
        "only",
        "set -ex; echo mine > README.md; git stash -q; git stash pop -q; grep mine README.md; git stash -q; git stash drop -q; "
        "git stash apply -q; grep human README.md; git gc -q; git reflog expire --all; echo all of it; exit 75",
    )

    stashed.start()
    stashed.wait_for("session.ended", task="only")

    assert "all of it" in output(stashed, "only").splitlines(), output(stashed, "only")
    assert stashed.git("stash", "list").count("\n") == 1


def test_sessions_with_work_trees_of_their_own_do_not_get_each_others_stashes(site):
    site.configure(AGENT, repo={"isolation": "worktree"}, retry={"attempts": 1})
    pipes(site, "first", "second")
    root = site.root / ".leasehold"
    script(
        site,
        "one",
        f"echo one > README.md; git stash -q; echo > {root}/first; read _ < {root}/second; exit 75",
    )
    script(
        site,
        "two",
        f"read _ < {root}/first; git stash pop; echo code $?; git stash apply; echo code $?; cat README.md; "
        f"echo two > README.md; git stash -q; git stash pop -q && cat README.md; echo > {root}/second; exit 75",
    )

    site.start()
    for task in ("one", "two"):
        site.wait_for("session.ended", task=task)

    said = output(site, "two")
    assert said.count("is another session's, so it stays where it is; this session has stashed nothing") == 2
    assert "code 0" not in said
    assert said.splitlines()[-3:-2] != ["one"]
    assert "two" in said.splitlines()
    assert "WIP on leasehold/" in site.git("stash", "list")
