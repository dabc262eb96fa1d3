"""A session that has its commits integrated while it lives, and goes on."""

from __future__ import annotations

import pytest

from tests.process.test_worktrees import checks_of

pytestmark = [pytest.mark.fleet, pytest.mark.process]

# Each task's session runs the Python of its task's body, with these at hand.
AGENT = """
    import json, os, pathlib, re, subprocess, sys, textwrap
    brief = sys.stdin.read()
    body = re.search(r"```py\\n(.*?)```", brief, re.S).group(1)
    root = pathlib.Path.cwd()
    pipes = pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parents[3]

    def git(*words, code=0):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    def commit(path, text, subject):
        pathlib.Path(path).write_text(text)
        git("add", path)
        git("commit", "-qm", subject)

    def integrate(*words, code=0):
        done = subprocess.run([*COMMAND, "integrate", *words], capture_output=True, text=True)
        print(done.stdout, done.stderr, flush=True)
        assert done.returncode == code, (words, done)
        return done.stdout + done.stderr

    def meet(name):
        (pipes / name).write_text("x")

    def wait(name):
        (pipes / name).read_text()

    exec(textwrap.dedent(body))
"""


def script(site, key: str, text: str) -> None:
    """Write a task whose session runs this Python."""
    site.task(key)
    path = site.root / f"tasks/{key}.md"
    path.write_text(path.read_text() + f"\n```py\n{text}\n```\n")


def configure(
    site, *pipes: str, repo: dict[str, object] | None = None, **sections: dict[str, object]
) -> None:
    """Configure work trees, and the named pipes at which sessions meet."""
    import os

    sections.setdefault("retry", {"attempts": 1})
    program = AGENT.replace("COMMAND", repr(site.command()))
    site.configure(program, repo={"isolation": "worktree"} | (repo or {}), **sections)
    for name in pipes:
        os.mkfifo(site.root / ".leasehold" / name)


def ending(site, key: str):
    """Return how the task's last session ended."""
    return [event["data"] for event in site.events("session.ended") if event["task"] == key][-1]


def sound(site) -> None:
    """Check that the repository is as it should be when all is over."""
    assert site.git("fsck", "--no-dangling") == ""
    assert site.git("status", "--porcelain", "-uno") == ""
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert len(site.git("worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("way", ["rebase", "merge"])
def test_a_session_brings_its_commits_in_while_it_lives_and_goes_on_from_there(site, way):
    configure(site, repo={"integrate": way})
    script(
        site,
        "a",
        "commit('one.txt', '1\\n', 'One')\n"
        "said = integrate()\n"
        "assert 'integrated into main (' in said, said\n"
        "assert 'One' in git('log', '--format=%s', 'main')\n"
        "assert git('rev-parse', 'HEAD') == git('rev-parse', 'main')\n"
        "assert 'nothing to integrate' in integrate()\n"
        "assert git('status', '--porcelain') == ''\n"
        "commit('two.txt', '2\\n', 'Two')",
    )

    site.until_idle()

    ended = ending(site, "a")
    assert ended["outcome"] == "finished"
    each = "1 commit" if way == "rebase" else "2 commits"  # a merge is one as well
    assert f"{each} integrated into main while it ran; {each} integrated into main (" in ended["sentence"]
    subjects = site.git("log", "--topo-order", "--no-merges", "--format=%s", "main").splitlines()
    assert subjects == ["Two", "One", "Begin"]
    assert [len(event["data"]["commits"]) for event in site.events("session.integrated")] == (
        [1, 1] if way == "rebase" else [2, 2]
    )
    sound(site)


def test_what_came_in_while_it_lived_counts_although_nothing_followed(site):
    configure(site)
    script(site, "a", "commit('one.txt', '1\\n', 'One')\nintegrate()")

    site.until_idle()

    assert ending(site, "a")["outcome"] == "finished"
    assert "1 commit integrated into main while it ran" in ending(site, "a")["sentence"]
    assert len(ending(site, "a")["evidence"]["commits"]) == 1
    assert len(site.events("session.integrated")) == 1
    sound(site)


def test_a_conflict_goes_back_to_the_living_session_which_mends_it_and_asks_again(site):
    site.write("shared.txt", "first\n")
    site.git("add", "shared.txt")
    site.git("commit", "-qm", "Share")
    configure(site, "landed", "begun", supervisor={"max_sessions": 2})
    script(
        site,
        "a",
        "wait('begun')\ncommit('shared.txt', 'first\\na\\n', 'From a')\nintegrate()\nmeet('landed')",
    )
    script(
        site,
        "b",
        "commit('shared.txt', 'first\\nb\\n', 'From b')\nmeet('begun')\nwait('landed')\n"
        "said = integrate(code=1)\n"
        "assert 'they conflict with it in shared.txt' in said, said\n"
        "assert 'shared.txt: you changed it in' in said and 'From b' in said, said\n"
        "assert 'main has' in said and 'From a' in said and 'task a' in said, said\n"
        "assert 'next: `git rebase main`' in said, said\n"
        "git('rebase', 'main', code=1)\n"
        "assert 'not on your branch' in integrate(code=1)\n"
        "pathlib.Path('shared.txt').write_text('first\\na\\nb\\n')\n"
        "git('add', 'shared.txt')\n"
        "git('-c', 'core.editor=true', 'rebase', '--continue')\n"
        "assert '1 commit integrated' in integrate()",
    )

    site.until_idle()

    assert [ending(site, key)["outcome"] for key in ("a", "b")] == ["finished", "finished"]
    assert len(site.events("session.ended")) == 2  # nobody had to do it once more
    assert (site.root / "shared.txt").read_text() == "first\na\nb\n"
    sound(site)


def test_leases_taken_for_it_are_given_back_so_that_others_come_in_while_it_goes_on(site):
    configure(site, "landed", "over", supervisor={"max_sessions": 2})
    script(site, "a", "commit('shared.txt', 'a\\n', 'From a')\nintegrate()\nmeet('landed')\nwait('over')")
    script(
        site,
        "b",
        "wait('landed')\ngit('rebase', 'main')\ncommit('shared.txt', 'a\\nb\\n', 'From b')\n"
        "integrate('--wait', '1s')\nmeet('over')",
    )

    site.until_idle()

    assert [ending(site, key)["outcome"] for key in ("a", "b")] == ["finished", "finished"]
    assert (site.root / "shared.txt").read_text() == "a\nb\n"
    sound(site)


def test_a_check_that_fails_says_so_to_the_living_session(site):
    configure(site, repo={"check": ["sh", "-c", "grep -q good one.txt || { echo one is bad; exit 7; }"]})
    script(
        site,
        "a",
        "commit('one.txt', 'bad\\n', 'One')\n"
        "said = integrate(code=1)\n"
        "assert 'failed with exit code 7' in said and '  one is bad' in said and 'next: mend it' in said, said\n"
        "commit('one.txt', 'good\\n', 'Mend one')\n"
        "integrate()",
    )

    site.until_idle()

    assert ending(site, "a")["outcome"] == "finished"
    assert site.git("log", "--format=%s", "main").splitlines() == ["Mend one", "One", "Begin"]
    sound(site)


def test_a_wait_for_a_target_that_is_held_ends_when_the_session_says_and_it_can_ask_later(site):
    configure(site)
    script(
        site,
        "a",
        "commit('README.md', 'theirs\\n', 'Change')\n"
        "said = integrate('--wait', '0s', code=75)\n"
        "assert 'changes of its own in the way' in said and 'ask again later' in said, said\n"
        f"subprocess.run(['git', '-C', {str(site.root)!r}, 'diff', '--stat'], check=True)\n"
        "meet_operator = pipes / 'operator'\nmeet_operator.write_text('x')\n(pipes / 'cleared').read_text()\n"
        "integrate()",
    )
    import os

    for name in ("operator", "cleared"):
        os.mkfifo(site.root / ".leasehold" / name)
    site.write("README.md", "mine\n")
    site.start()
    (site.root / ".leasehold/operator").read_text()
    site.git("checkout", "-q", "--", "README.md")
    (site.root / ".leasehold/cleared").write_text("x")

    assert site.wait_for("session.ended")["data"]["outcome"] == "finished"
    assert (site.root / "README.md").read_text() == "theirs\n"


def test_uncommitted_changes_in_the_way_leave_the_branch_where_it_was_and_the_rest_comes_in_once(site):
    configure(site, "go", "gone", supervisor={"max_sessions": 2})
    script(site, "a", "commit('other.txt', 'a\\n', 'Other')\nintegrate()\nmeet('go')\nwait('gone')")
    script(
        site,
        "b",
        "commit('one.txt', '1\\n', 'One')\nwait('go')\npathlib.Path('other.txt').write_text('untracked\\n')\n"
        "said = integrate()\n"
        "assert '1 commit integrated' in said and 'your branch stays where it was' in said, said\n"
        "assert pathlib.Path('other.txt').read_text() == 'untracked\\n'\n"
        "pathlib.Path('other.txt').unlink()\n"
        "commit('two.txt', '2\\n', 'Two')\nmeet('gone')",
    )

    site.until_idle()

    assert [ending(site, key)["outcome"] for key in ("a", "b")] == ["finished", "finished"]
    assert site.git("log", "--format=%s", "main").splitlines() == ["Two", "One", "Other", "Begin"]
    sound(site)


def test_a_session_that_is_killed_while_it_waits_is_settled_and_its_commits_stay_on_its_branch(site):
    configure(site)
    script(site, "a", "commit('README.md', 'theirs\\n', 'Change')\nintegrate()")
    site.write("README.md", "mine\n")
    site.start()
    waits = site.wait_for("session.integration_waits")

    site.run("session", "kill", waits["session"])

    ended = site.wait_for("session.ended")
    assert ended["data"]["outcome"] == "killed"
    assert "kept on branch" in ended["data"]["sentence"]
    assert site.ask("status")["integrations"] == []
    assert (site.root / "README.md").read_text() == "mine\n"


def test_a_session_that_is_killed_while_its_commits_are_checked_does_not_wait_for_the_check(site):
    configure(site, "checking", repo={"check": ["sh", "-c", "echo > CHECKING; sleep 1000"]})
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text().replace("CHECKING", str(site.root / ".leasehold/checking")))
    script(site, "a", "commit('one.txt', '1\\n', 'One')\nintegrate()")
    site.start()
    (site.root / ".leasehold/checking").read_text()

    site.run("session", "kill", "a")

    ended = site.wait_for("session.ended")
    assert ended["data"]["outcome"] == "killed"
    assert "1 commit kept on branch" in ended["data"]["sentence"]
    assert checks_of(site) == []
    assert site.ask("status")["integrations"] == []
    assert "one.txt" not in site.git("ls-tree", "--name-only", "main")


def test_a_session_integrates_for_itself_only_and_in_the_checkout_there_is_nothing_to_do(site):
    site.task("a")
    site.configure(
        f"""
    import pathlib, subprocess, sys
    sys.stdin.read()
    pathlib.Path("a.txt").write_text("a")
    subprocess.run(["git", "add", "a.txt"], check=True)
    subprocess.run(["git", "commit", "-qm", "A", "--", "a.txt"], check=True)
    for words, why in ((["other"], "integrates its own commits only"), ([], "works in the checkout itself")):
        done = subprocess.run([*{site.command()!r}, "integrate", *words], capture_output=True, text=True)
        assert done.returncode == 1 and why in done.stderr, done
    """
    )

    site.until_idle()

    assert ending(site, "a")["outcome"] == "finished"


def test_a_session_whose_work_tree_is_gone_is_told_so_and_what_it_committed_comes_in(site):
    configure(site)
    script(
        site,
        "a",
        "import shutil\ncommit('one.txt', '1\\n', 'One')\nos.chdir('/')\nshutil.rmtree(root)\n"
        "said = integrate(code=1)\nassert 'not on your branch' in said or 'cannot change' in said, said",
    )

    site.until_idle()

    assert ending(site, "a")["outcome"] == "finished"
    assert (site.root / "one.txt").read_text() == "1\n"
    sound(site)


def test_a_session_that_asks_twice_at_once_is_told_that_it_has_asked(site):
    configure(site, "checking", "go", repo={"check": ["sh", "-c", "echo > CHECKING; cat GO"]})
    config = site.root / ".leasehold/config.toml"
    text = config.read_text()
    for name in ("checking", "go"):
        text = text.replace(name.upper(), str(site.root / ".leasehold" / name))
    config.write_text(text)
    script(
        site,
        "a",
        "commit('one.txt', '1\\n', 'One')\n"
        "first = subprocess.Popen([*COMMAND, 'integrate'])\nwait('checking')\n"
        "assert 'being integrated already' in integrate(code=1)\nmeet('go')\nassert first.wait() == 0",
    )
    program = site.root / ".leasehold/agent.py"
    program.write_text(program.read_text().replace("exec(", f"COMMAND = {site.command()!r}\nexec("))

    site.until_idle()

    assert ending(site, "a")["outcome"] == "finished"
    sound(site)


@pytest.mark.parametrize("point", ["integrate.checked", "integrate.files_moved", "integrate.moved"])
@pytest.mark.parametrize("way", ["rebase", "merge"])
def test_a_supervisor_that_dies_meanwhile_is_asked_again_and_everything_comes_in_once(site, way, point):
    configure(site, "again", repo={"integrate": way})
    script(
        site,
        "a",
        "commit('one.txt', '1\\n', 'One')\nintegrate(code=3)\nwait('again')\nintegrate()\n"
        "commit('two.txt', '2\\n', 'Two')",
    )

    died = site.run("run", "--until-idle", code=None, LEASEHOLD_FAILPOINTS=f"{point}=1*kill")
    assert died.returncode < 0
    site.start()
    (site.root / ".leasehold/again").write_text("x")
    assert site.wait_for("session.ended")["data"]["outcome"] == "finished"

    assert site.git("log", "--topo-order", "--no-merges", "--format=%s", "main").splitlines() == [
        "Two",
        "One",
        "Begin",
    ]
    sound(site)
