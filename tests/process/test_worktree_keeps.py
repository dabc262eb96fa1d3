"""Promise 10 in work trees of sessions' own: what `git status` does not tell of goes with no work tree either."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.process]

BEGIN = """
    import os, pathlib, shutil, subprocess, sys
    sys.stdin.read()
    def git(*words, code=0):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout.strip()
    root = pathlib.Path.cwd()
"""


def ended(site, agent: str, **repo: object):
    """Run one session that does what `agent` says in a work tree of its own; return its end."""
    site.task("a")
    site.configure(BEGIN + agent, repo={"isolation": "worktree", **repo}, retry={"attempts": 1})

    site.until_idle(code=None)

    (event,) = site.events("session.ended")
    folder = site.root / f".leasehold/state/sessions/{event['session']}"
    event["data"]["err"] = (folder / "err.log").read_text()
    assert event["data"]["outcome"] != "failed" or "AssertionError" not in event["data"]["err"], event
    return event


def salvaged(site, event, path: str) -> str:
    return str(site.git("cat-file", "blob", f"{event['data']['evidence']['salvage']['ref']}:{path}"))


def tree(event) -> Path:
    """Return the work tree that stays, which the sentence names."""
    place = event["data"]["evidence"]["tree"]
    assert place in event["data"]["sentence"]
    return Path(place)


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
def test_no_work_is_lost_that_the_session_told_git_not_to_look_at(site, flag):
    event = ended(
        site,
        f"""
    git("update-index", "{flag}", "README.md")
    pathlib.Path("README.md").write_text("changed\\n")
    assert git("status", "--porcelain") == ""
    """,
    )

    assert salvaged(site, event, "README.md") == "changed\n"
    assert event["data"]["evidence"]["salvage"]["paths"] == ["README.md"]
    assert site.git("worktree", "list").count("\n") == 1


def test_what_a_sparse_checkout_leaves_out_is_no_work_of_the_session(site):
    site.write("in/a.txt", "one\n")
    site.write("out/b.txt", "one\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Two")
    site.git("sparse-checkout", "set", "in")

    event = ended(
        site, "    pathlib.Path('in/a.txt').write_text('two\\n')\n    assert not (root / 'out').exists()"
    )

    assert event["data"]["evidence"]["salvage"]["paths"] == ["in/a.txt"]


def test_no_work_is_lost_when_the_session_removed_the_file_that_ties_the_work_tree_to_git(site):
    event = ended(site, "    pathlib.Path('left.txt').write_text('left\\n')\n    os.remove('.git')\n")

    assert salvaged(site, event, "left.txt") == "left\n"
    assert site.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize("commits", [False, True])
def test_no_work_is_lost_when_the_session_made_a_repository_of_its_own_in_the_work_tree(site, commits):
    event = ended(
        site,
        f"""
    os.remove(".git")
    git("init", "-q")
    pathlib.Path("left.txt").write_text("left\\n")
    if {commits}:
        git("add", "-A")
        git("commit", "-qm", "All anew")
    """,
    )

    assert (tree(event) / "left.txt").read_text() == "left\n"
    assert "repository of its own" in event["data"]["sentence"]


def test_no_work_is_lost_when_git_has_forgotten_the_work_tree(site):
    event = ended(
        site,
        """
    pathlib.Path("left.txt").write_text("left\\n")
    shutil.rmtree(git("rev-parse", "--absolute-git-dir"))
    """,
    )

    assert (tree(event) / "left.txt").read_text() == "left\n"


def test_no_work_is_lost_when_git_cannot_read_the_work_tree(site):
    event = ended(
        site,
        """
    pathlib.Path("left.txt").write_text("left\\n")
    pathlib.Path(git("rev-parse", "--absolute-git-dir"), "HEAD").write_text("what\\n")
    """,
    )

    assert (tree(event) / "left.txt").read_text() == "left\n"


def submodule(site, tmp_path) -> None:
    inner = tmp_path / "inner"
    site.git("init", "-q", "-b", "main", str(inner))
    (inner / "lib.txt").write_text("one\n")
    site.git("-C", str(inner), "add", "-A")
    site.git("-C", str(inner), "commit", "-qm", "Begin")
    site.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    site.git("commit", "-qm", "Submodule")


CHECK_OUT = """
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
"""


def test_no_work_is_lost_that_was_committed_in_a_submodule_and_nowhere_else(site, tmp_path):
    submodule(site, tmp_path)
    event = ended(
        site,
        CHECK_OUT
        + """
    pathlib.Path("sub/lib.txt").write_text("two\\n")
    git("-C", "sub", "commit", "-qam", "Inside")
    git("commit", "-qam", "Move sub")
    assert git("status", "--porcelain") == ""
    """,
    )

    assert event["data"]["outcome"] == "finished"
    assert (tree(event) / "sub/lib.txt").read_text() == "two\n"
    assert site.git("-C", str(tree(event) / "sub"), "log", "-1", "--format=%s").strip() == "Inside"
    assert "sub has commits that no remote has" in event["data"]["sentence"]


def test_a_submodule_that_was_only_checked_out_keeps_no_work_tree(site, tmp_path):
    submodule(site, tmp_path)

    event = ended(site, CHECK_OUT)

    assert "tree" not in event["data"]["evidence"]
    assert site.git("worktree", "list").count("\n") == 1


def test_no_work_is_lost_that_git_set_aside_for_a_rebase_that_did_not_end(site):
    event = ended(
        site,
        """
    pathlib.Path("one.txt").write_text("one\\n")
    git("add", "one.txt")
    git("commit", "-qm", "One")
    git("checkout", "-q", "-b", "side", "HEAD~1")
    pathlib.Path("one.txt").write_text("other\\n")
    git("add", "one.txt")
    git("commit", "-qm", "Other")
    pathlib.Path("README.md").write_text("changed\\n")
    git("rebase", "-q", "--autostash", "@{-1}", code=1)
    assert pathlib.Path("README.md").read_text() == "a site\\n"
    """,
    )

    salvages = event["data"]["evidence"]["salvages"]
    aside = next(
        name
        for name in salvages
        if site.git("diff", "--name-only", f"{site_ref(name)}^", site_ref(name)).strip() == "README.md"
    )
    assert site.git("cat-file", "blob", f"{site_ref(aside)}:README.md") == "changed\n"
    assert "a rebase was left under way" in event["data"]["sentence"]


def test_what_the_session_stashed_is_kept_as_its_salvage_too(site):
    event = ended(
        site,
        """
    pathlib.Path("README.md").write_text("changed\\n")
    git("stash", "-q")
    """,
    )

    (name,) = event["data"]["evidence"]["salvages"]
    assert site.git("cat-file", "blob", f"{site_ref(name)}:README.md") == "changed\n"
    assert site.git("stash", "list").count("\n") == 1


def commit_rule(site, rule: str) -> None:
    site.write(".gitignore", f"{rule}\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Rules")


def site_ref(name: str) -> str:
    return f"refs/leasehold/salvage/{name}"


def test_what_only_rules_of_the_sessions_own_hide_keeps_the_work_tree(site):
    event = ended(
        site,
        """
    pathlib.Path(".gitignore").write_text("*\\n")
    pathlib.Path("left.txt").write_text("left\\n")
    """,
    )

    assert (tree(event) / "left.txt").read_text() == "left\n"
    assert "left.txt is ignored by .gitignore" in event["data"]["sentence"]


def test_what_committed_rules_hide_and_caches_that_hide_themselves_keep_no_work_tree(site):
    commit_rule(site, "build/")

    event = ended(
        site,
        """
    for folder in ("build", ".venv"):
        (root / folder).mkdir()
        (root / folder / "x").write_text("x")
    (root / ".venv/.gitignore").write_text("*\\n")
    """,
    )

    assert "tree" not in event["data"]["evidence"]
    assert site.git("worktree", "list").count("\n") == 1


def test_no_work_is_lost_that_lies_too_deep_for_git(site):
    event = ended(
        site,
        """
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    pathlib.Path("left.txt").write_text("left\\n")
    """,
    )

    assert tree(event).is_dir()
    assert "could not open directory" in event["data"]["sentence"]


def test_commits_on_other_branches_of_the_sessions_own_are_named(site):
    event = ended(
        site,
        """
    git("checkout", "-q", "-b", "aside")
    pathlib.Path("aside.txt").write_text("aside\\n")
    git("add", "aside.txt")
    git("commit", "-qm", "Aside")
    git("checkout", "-q", "--orphan", "fresh")
    git("commit", "-qm", "All anew")
    git("checkout", "-q", f"leasehold/{os.environ['LEASEHOLD_SESSION']}")
    """,
    )

    assert "other commits kept on branch aside, fresh" in event["data"]["sentence"]
    assert event["data"]["evidence"]["stray_branch"] == "aside, fresh"
    assert site.git("log", "-1", "--format=%s", "aside").strip() == "Aside"


def test_no_work_is_lost_that_was_committed_on_no_branch_and_left_there(site):
    event = ended(
        site,
        """
    git("checkout", "-q", "--detach")
    for line in ("first", "second"):
        pathlib.Path("left.txt").write_text(line)
        git("add", "left.txt")
        git("commit", "-qm", line)
    git("checkout", "-q", "-")
    git("checkout", "-q", "HEAD~0")
    git("checkout", "-q", "-")
    pathlib.Path("README.md").write_text("a site, once more\\n")
    git("commit", "-q", "--amend", "-am", "Amended")
    """,
    )

    (name,) = site.git("branch", "--list", "--format=%(refname:short)", "leasehold/*-left-*").split()
    assert f"other commits kept on branch {name}" in event["data"]["sentence"]
    assert site.git("log", "-2", "--format=%s", name).split() == ["second", "first"]


def test_no_work_is_lost_where_a_named_pipe_makes_git_wait(site):
    event = ended(
        site,
        """
    pathlib.Path("left.txt").write_text("left\\n")
    (root / "deep").mkdir()
    os.mkfifo("deep/.gitignore")
    os.mkfifo(".gitattributes")
    """,
    )

    assert salvaged(site, event, "left.txt") == "left\n"
    assert site.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ('pathlib.Path(helper, "left.txt").write_text("left\\n")', "uncommitted changes"),
        (
            'git("-C", helper, "checkout", "-q", "--detach"); git("-C", helper, "commit", "-q", "--allow-empty", "-m", "Loose")',
            "commits on no branch",
        ),
    ],
)
def test_no_work_is_lost_in_a_work_tree_that_the_session_made_inside_its_own(site, work, said):
    commit_rule(site, ".helpers/")

    event = ended(
        site,
        f"""
    helper = ".helpers/one"
    git("worktree", "add", "-q", "-b", "helper", helper)
    {work}
    """,
    )

    assert (tree(event) / ".helpers/one").is_dir()
    assert f".helpers/one, a work tree inside it, has {said}" in event["data"]["sentence"]


def test_a_work_tree_inside_that_has_nothing_of_its_own_goes_with_it(site):
    commit_rule(site, ".helpers/")

    event = ended(
        site,
        """
    git("worktree", "add", "-q", "-b", "helper", ".helpers/one")
    git("-C", ".helpers/one", "commit", "-q", "--allow-empty", "-m", "On its branch")
    """,
    )

    assert "tree" not in event["data"]["evidence"]
    assert "other commits kept on branch helper" in event["data"]["sentence"]
    assert site.git("log", "-1", "--format=%s", "helper").strip() == "On its branch"
