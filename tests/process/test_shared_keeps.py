"""Promise 10 in a shared checkout: commits on no branch get a name, and what a session stashed is told of."""

from __future__ import annotations

import pytest

from tests.process.test_worktree_keeps import BEGIN

pytestmark = [pytest.mark.fleet, pytest.mark.process]


def ended(site, agent: str, *paths: str):
    """Run one session that does what `agent` says in the checkout; return its end."""
    site.task("a", *paths)
    site.configure(BEGIN + agent, retry={"attempts": 1})

    site.until_idle(code=None)

    (event,) = site.events("session.ended")
    folder = site.root / f".leasehold/state/sessions/{event['session']}"
    assert "AssertionError" not in (folder / "err.log").read_text(), (folder / "err.log").read_text()
    return event


def test_no_work_is_lost_that_was_committed_on_no_branch(site):
    event = ended(
        site,
        """
    git("checkout", "-q", "--detach")
    pathlib.Path("left.txt").write_text("left\\n")
    git("add", "left.txt")
    git("commit", "-qm", "On no branch")
    """,
    )

    name = f"leasehold/{event['session']}-head"
    assert f"other commits kept on branch {name}" in event["data"]["sentence"]
    assert "landed" not in event["data"]["sentence"]
    assert event["data"]["evidence"]["commits"] == []
    assert site.git("log", "-1", "--format=%s", name).strip() == "On no branch"


def test_where_the_checkout_was_on_no_branch_commits_belong_on_head(site):
    site.git("checkout", "-q", "--detach")

    event = ended(
        site,
        """
    pathlib.Path("done.txt").write_text("done\\n")
    git("add", "done.txt")
    git("commit", "-qm", "Done")
    """,
    )

    assert event["data"]["outcome"] == "finished"
    assert "1 commit landed" in event["data"]["sentence"]
    assert site.git("branch", "--list", "leasehold/*") == ""


@pytest.mark.parametrize("how", ["git('stash', '-q')", "git('rebase', '-q', '--autostash', 'other', code=1)"])
def test_what_the_session_set_aside_and_did_not_bring_back_is_kept_as_its_salvage(site, how):
    site.write("one.txt", "one\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "One")
    site.git("checkout", "-q", "-b", "other", "HEAD~1")
    site.write("one.txt", "other\n")
    site.git("add", "one.txt")
    site.git("commit", "-qm", "Other")
    site.git("checkout", "-q", "main")

    event = ended(site, f"    pathlib.Path('README.md').write_text('changed\\n')\n    {how}\n")

    name = f"{event['session']}-stash"
    assert name in event["data"]["evidence"]["salvages"]
    assert f"what it had stashed kept as salvage {name}" in event["data"]["sentence"]
    assert site.git("cat-file", "blob", f"refs/leasehold/salvage/{name}:README.md") == "changed\n"


def test_a_stash_that_somebody_else_made_meanwhile_is_not_the_sessions(site):
    site.write("theirs.txt", "theirs\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Theirs")
    site.write("theirs.txt", "changed\n")
    site.git("stash", "-q")

    event = ended(site, "    pathlib.Path('README.md').write_text('changed\\n')\n", "README.md")

    assert event["data"]["evidence"]["salvages"] == [event["session"]]
