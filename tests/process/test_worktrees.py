"""Sessions in work trees of their own, and the integrator that brings their commits into the target."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.process]

COMMIT = """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    task, root = os.environ["LEASEHOLD_TASK"], pathlib.Path.cwd()
    (root / f"{task}.txt").write_text(f"{task}\\n")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", f"Do {task}"], check=True)
"""


def test_a_session_commits_on_its_own_branch_and_its_commits_come_into_the_target(site):
    site.task("a")
    site.configure(COMMIT, repo={"isolation": "worktree"})

    site.until_idle()

    ended = site.events("session.ended")[-1]["data"]
    assert ended["outcome"] == "finished", ended
    assert "1 commit integrated into main" in ended["sentence"]
    assert site.git("log", "--format=%s", "main").splitlines() == ["Do a", "Begin"]
    assert (site.root / "a.txt").read_text() == "a\n"
    assert site.git("status", "--porcelain", "-uno") == ""
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert len(site.git("worktree", "list").splitlines()) == 1


def outcome(site, session=None):
    found = [e for e in site.events("session.ended") if session in {None, e["session"]}]
    return found[-1]["data"]["outcome"]


# Reads a task's orders from its file name: every task adds a line to the same file, at its own place.
CONFLICT = """
    import os, pathlib, subprocess, sys, time
    prompt = sys.stdin.read()
    task, root = os.environ["LEASEHOLD_TASK"], pathlib.Path.cwd()
    def git(*words, code=0):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout
    if "are on your branch already" in prompt:
        print(prompt)
        git("rebase", "main", code=None)
        both = (root / "shared.txt").read_text().splitlines()
        lines = [line for line in both if line[0] not in "<=>"]
        (root / "shared.txt").write_text("".join(f"{line}\\n" for line in dict.fromkeys(lines)))
        git("add", "shared.txt")
        git("-c", "core.editor=true", "rebase", "--continue")
    else:
        ready = pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parent.parent
        (ready / f"{task}.ready").touch()
        while len(list(ready.glob("*.ready"))) < 2:
            time.sleep(0.01)
        with (root / "shared.txt").open("a") as file:
            file.write(f"{task}\\n")
        git("add", "shared.txt")
        git("commit", "-qm", f"Do {task}")
"""


def test_a_conflict_keeps_the_branch_and_hands_it_to_the_next_session_of_the_task(site):
    site.write("shared.txt", "first\n")
    site.git("add", "shared.txt")
    site.git("commit", "-qm", "Share")
    site.task("a")
    site.task("b")
    site.configure(CONFLICT, repo={"isolation": "worktree"})

    site.until_idle()

    ends = [event["data"] for event in site.events("session.ended")]
    assert [end["outcome"] for end in ends] == ["finished", "unintegrated", "finished"], ends
    kept = site.events("session.unintegrated")[0]
    assert kept["data"]["hitch"] == "conflict"
    assert kept["data"]["paths"] == ["shared.txt"]
    assert "conflict" in ends[1]["sentence"]
    assert "shared.txt" in ends[1]["sentence"]
    assert site.git("log", "--format=%s", "main").splitlines()[:2] == [
        f"Do {ends[1]['evidence'] and kept['task']}",
        f"Do {'a' if kept['task'] == 'b' else 'b'}",
    ]
    assert sorted((site.root / "shared.txt").read_text().split()) == ["a", "b", "first"]
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert site.git("fsck", "--no-dangling") == ""


def settled(site):
    """Return the endings so far, and that the repository is sound and nothing of the sessions is left in it."""
    assert site.git("fsck", "--no-dangling") == ""
    assert len(site.git("worktree", "list").splitlines()) == 1, site.git("worktree", "list")
    return [event["data"] for event in site.events("session.ended")]


def test_a_session_cannot_move_the_target_or_another_sessions_branch(site):
    site.task("a")
    site.configure(
        f"""{COMMIT}
    def refused(*words):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        print(done.stderr, flush=True)
        return done.returncode != 0
    main = os.environ["LEASEHOLD_TARGET"]
    assert refused("update-ref", main, "HEAD")
    assert refused("push", "-q", ".", "HEAD:main")
    assert refused("update-ref", "refs/heads/leasehold/other", "HEAD")
    """,
        repo={"isolation": "worktree"},
    )

    site.until_idle()

    assert settled(site)[0]["outcome"] == "finished"
    session = site.events("session.ended")[0]["session"]
    said = (site.root / f".leasehold/state/sessions/{session}/out.log").read_text()
    assert f"main: this session commits on its own branch leasehold/{session}" in said
    assert "leasehold/other: the branch of another session" in said


def test_what_a_failed_session_committed_stays_on_its_branch_and_the_next_one_goes_on_from_it(site):
    site.task("a")
    site.configure(
        """
    import os, pathlib, subprocess, sys
    prompt = sys.stdin.read()
    def commit(name):
        pathlib.Path(name).write_text("x\\n")
        subprocess.run(["git", "add", name], check=True)
        subprocess.run(["git", "commit", "-qm", f"Add {name}"], check=True)
    if "are on your branch already" not in prompt:
        commit("one.txt")
        pathlib.Path("left.txt").write_text("left\\n")
        sys.exit(3)
    assert pathlib.Path("one.txt").exists()
    assert os.environ["LEASEHOLD_SALVAGES"]
    commit("two.txt")
    """,
        repo={"isolation": "worktree"},
        retry={"backoff": "0s"},
    )

    site.until_idle()

    first, second = settled(site)
    session = site.events("session.ended")[0]["session"]
    assert first["outcome"] == "failed"
    assert f"kept on branch leasehold/{session}, not in main" in first["sentence"]
    assert first["evidence"]["salvage"]["paths"] == ["left.txt"]
    assert first["evidence"]["branch"]["hitch"] == "unfinished"
    assert second["outcome"] == "finished"
    assert site.git("log", "--format=%s", "main").splitlines() == ["Add two.txt", "Add one.txt", "Begin"]
    assert site.git("branch", "--list", "leasehold/*") == ""


def test_a_check_that_fails_keeps_the_target_where_it_is_and_names_the_reason(site):
    site.task("a")
    site.configure(
        COMMIT,
        repo={
            "isolation": "worktree",
            "check": ["sh", "-c", "echo looking; test ! -e a.txt || { echo no a; exit 7; }"],
        },
        retry={"attempts": 1},
    )
    head = site.git("rev-parse", "main")

    site.until_idle(code=None)

    (ended,) = settled(site)
    assert ended["outcome"] == "failed"
    assert "failed with exit code 7: no a" in ended["sentence"]
    assert ended["evidence"]["branch"]["tail"] == "looking\nno a\n"
    assert site.git("rev-parse", "main") == head
    assert not (site.root / "a.txt").exists()
    branch = ended["evidence"]["branch"]["branch"]
    assert site.git("log", "-1", "--format=%s", branch).strip() == "Do a"


def test_a_check_that_hangs_is_ended_with_what_it_started(site, tagged):
    site.task("a")
    site.configure(
        COMMIT,
        repo={
            "isolation": "worktree",
            "check": ["sh", "-c", "sleep 1000 & sleep 1000"],
            "check_timeout": "1s",
        },
        retry={"attempts": 1},
    )

    site.until_idle(code=None)

    (ended,) = settled(site)
    assert "was still running after 1s and was ended" in ended["sentence"]
    assert checks_of(site) == []


def checks_of(site):
    import contextlib

    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("LEASEHOLD_CHECK", "").startswith(str(site.root)):
                found.append(process.pid)
    return found


def test_an_integration_waits_for_a_checkout_with_changes_in_the_way_and_loses_none_of_them(site):
    site.write("README.md", "a site\n")
    site.task("a")
    site.configure(
        """
    import pathlib, subprocess, sys
    sys.stdin.read()
    pathlib.Path("README.md").write_text("theirs\\n")
    subprocess.run(["git", "commit", "-qam", "Change it"], check=True)
    """,
        repo={"isolation": "worktree"},
    )
    site.write("README.md", "mine\n")
    site.start()

    waits = site.wait_for("session.integration_waits")

    assert "README.md" in waits["data"]["why"]
    assert (
        f"{site.root}, which has main checked out, has changes of its own in the way" in waits["data"]["why"]
    )
    assert (site.root / "README.md").read_text() == "mine\n"
    (job,) = site.ask("status")["integrations"]
    assert (job["stage"], job["target"]) == ("held", "main")
    assert "README.md" in site.run("status").stdout
    site.git("checkout", "-q", "--", "README.md")
    done = site.run("integrate", "a")

    assert "integrated into main" in done.stdout
    assert site.wait_for("session.ended")["data"]["outcome"] == "finished"
    assert (site.root / "README.md").read_text() == "theirs\n"
    assert site.git("status", "--porcelain", "-uno") == ""


def test_an_integration_that_waited_in_vain_is_held_for_the_operator_who_can_do_it_later(site):
    site.task("a")
    site.configure(COMMIT, repo={"isolation": "worktree", "integrate_wait": "0s"})
    site.write("a.txt", "untracked, mine\n")
    site.start()

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "unintegrated"
    assert ended["data"]["evidence"]["branch"]["hitch"] == "held"
    assert (site.root / "a.txt").read_text() == "untracked, mine\n"
    assert site.ask("task", "show", "a")["standing"] == "held"
    refused = site.run("integrate", "a", code=1)
    assert "has changes of its own in the way" in refused.stderr
    (site.root / "a.txt").unlink()
    site.run("integrate", ended["session"])
    assert (site.root / "a.txt").read_text() == "a\n"
    assert site.ask("task", "show", "a")["standing"] == "done"
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert "there is no branch" in site.run("integrate", "a", code=1).stderr


def test_a_target_that_a_human_moves_meanwhile_keeps_their_commit_and_gets_the_sessions(site):
    commit = "if [ ! -e human.txt ]; then echo h >human.txt && git add human.txt && git commit -qm Human; fi"
    site.task("a")
    site.configure(
        COMMIT, repo={"isolation": "worktree", "check": ["sh", "-c", f"cd {site.root} && {commit}"]}
    )

    site.until_idle()

    assert settled(site)[0]["outcome"] == "finished"
    assert site.git("log", "--format=%s", "main").splitlines() == ["Do a", "Human", "Begin"]
    assert site.git("status", "--porcelain", "-uno") == ""
    assert (site.root / "a.txt").exists()


def test_by_merge_each_session_has_a_merge_commit_that_names_it(site):
    site.task("a")
    site.task("b")
    site.configure(
        COMMIT, repo={"isolation": "worktree", "integrate": "merge"}, supervisor={"max_sessions": 2}
    )

    site.until_idle()

    assert [end["outcome"] for end in settled(site)] == ["finished", "finished"]
    merges = site.git(
        "log", "--merges", "--first-parent", "--format=%s|%(trailers:key=Leasehold-Task,valueonly)", "main"
    )
    assert sorted(line for line in merges.splitlines() if line) == ["Merge Do a|a", "Merge Do b|b"]
    assert site.git("log", "--first-parent", "--format=%s", "main").splitlines()[-1] == "Begin"


def test_a_work_tree_that_is_removed_under_its_session_costs_no_commit(site):
    site.task("a")
    site.configure(
        f"""{COMMIT}
    import shutil
    shutil.rmtree(root)
    """,
        repo={"isolation": "worktree"},
    )

    site.until_idle()

    assert settled(site)[0]["outcome"] == "finished"
    assert (site.root / "a.txt").read_text() == "a\n"


def test_a_session_that_goes_on_without_a_branch_is_integrated_all_the_same(site):
    site.task("a")
    site.configure(
        COMMIT.replace(
            "(root /", 'subprocess.run(["git", "checkout", "-q", "--detach"], check=True)\n    (root /'
        ),
        repo={"isolation": "worktree"},
    )

    site.until_idle()

    assert settled(site)[0]["outcome"] == "finished"
    assert site.git("log", "--format=%s", "main").splitlines() == ["Do a", "Begin"]


def test_paths_that_no_session_may_change_keep_the_commits_on_their_branch(site):
    site.task("a")
    site.configure(COMMIT, repo={"isolation": "worktree", "exclude": ["*.txt"]}, retry={"attempts": 1})

    site.until_idle(code=None)

    (ended,) = settled(site)
    assert ended["outcome"] == "failed"
    assert ended["evidence"]["branch"]["hitch"] == "refused"
    assert "a.txt: no session may change it (repos.site.exclude)" in ended["sentence"]


def test_the_guard_keeps_a_session_in_its_own_work_tree_whatever_others_hold(site):
    site.task("a")
    site.task("b", "a.txt")  # holds the path that the other one writes in its own work tree
    site.write("ignored/.gitignore", "*\n")
    site.configure(
        f"""
    import os, pathlib, subprocess, sys
    if os.environ["LEASEHOLD_TASK"] == "b":
        sys.exit(0)
    {COMMIT.strip()}
    main = pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parents[4]
    def refused(*words):
        done = subprocess.run(words, capture_output=True, text=True)
        print(done.stderr, flush=True)
        return "busy" in done.stderr
    assert refused("sh", "-c", f"echo mine >> {{main}}/README.md")
    assert refused("rm", f"{{main}}/README.md")
    assert refused("sh", "-c", f"git -C {{main}} reset --hard")
    assert refused("sh", "-c", f"git -C {{main}} add -A")
    assert refused("sh", "-c", f"git --git-dir={{main}}/.git reset -q")
    assert refused("sh", "-c", f"GIT_DIR={{main}}/.git GIT_WORK_TREE={{main}} git read-tree HEAD")
    other = root.parent / "other"
    assert refused("mkdir", "-p", str(other)) or refused("touch", str(other / "x"))
    assert not refused("touch", f"{{main}}/ignored/cache")
    assert not refused("git", "-C", str(main), "status")
    assert (main / "README.md").read_text() == "a site\\n"
    """,
        repo={"isolation": "worktree"},
        supervisor={"max_sessions": 2},
        retry={"attempts": 1},
    )

    site.until_idle(code=None)

    a = next(event for event in site.events("session.ended") if event["task"] == "a")
    folder = site.root / f".leasehold/state/sessions/{a['session']}"
    assert a["data"]["outcome"] == "finished", (folder / "err.log").read_text()
    assert "in the checkout, which changes by integration only" in (folder / "notice").read_text()
    assert (site.root / "README.md").read_text() == "a site\n"


@pytest.mark.parametrize(
    "point",
    ["integrate.checked", "integrate.files_moved", "integrate.moved", "integrate.known", "settle.judged"],
)
@pytest.mark.parametrize("way", ["rebase", "merge"])
def test_a_supervisor_that_is_killed_while_it_integrates_integrates_everything_once(site, way, point):
    for task in ("a", "b"):
        site.task(task)
    site.configure(
        COMMIT.replace("    subprocess", '    (root / "both.txt").write_text("both")\n    subprocess', 1),
        repo={"isolation": "worktree", "integrate": way, "check": ["true"]},
        supervisor={"max_sessions": 1},
    )

    died = site.run("run", "--until-idle", code=None, LEASEHOLD_FAILPOINTS=f"{point}=1*kill")
    assert died.returncode < 0
    site.until_idle()

    assert [end["outcome"] for end in settled(site)] == ["finished", "finished"]
    subjects = site.git("log", "--topo-order", "--no-merges", "--format=%s", "main").splitlines()
    assert sorted(subjects) == ["Begin", "Do a", "Do b"]
    assert site.git("status", "--porcelain", "-uno") == ""
    assert {path.name for path in site.root.glob("*.txt")} == {"a.txt", "b.txt", "both.txt"}
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert list((site.root / ".leasehold/state/worktrees/site").iterdir()) == []


def test_a_session_that_leaves_a_conflict_as_it_was_counts_as_a_failure_until_its_task_is_parked(site):
    site.write("shared.txt", "first\n")
    site.git("add", "shared.txt")
    site.git("commit", "-qm", "Share")
    site.task("a")
    site.configure(
        f"""
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    with pathlib.Path("shared.txt").open("a") as file:
        file.write("a\\n")
    subprocess.run(["git", "commit", "-qam", "Do a"], check=True)
    os.chdir({str(site.root)!r})
    """,
        repo={"isolation": "worktree", "check": ["true"]},
        retry={"backoff": "0s", "attempts": 2},
    )
    site.write("shared.txt", "first\nhuman\n")
    site.start()
    site.wait_for("session.integration_waits")
    site.git("commit", "-qam", "Human")
    site.run("integrate", "a")

    parked = site.wait_for("task.parked")

    site.until(lambda: len(site.events("session.ended")) == 3)
    ends = [event["data"] for event in site.events("session.ended")]
    assert [end["outcome"] for end in ends] == ["unintegrated", "failed", "failed"]
    assert "they conflict with it in shared.txt, as before" in parked["data"]["why"]
    branches = site.git("branch", "--list", "leasehold/*").split()
    assert branches == [ends[-1]["evidence"]["branch"]["branch"]]
    (listed,) = site.ask("integrate")["branches"]
    assert (listed["branch"], listed["task"], listed["subject"]) == (branches[0], "a", "Do a")
    shown = site.run("session", "show", "a").stdout
    assert f"{branches[0]}, not in main" in shown


FORCED = """
    import pathlib, subprocess, sys
    sys.stdin.read()
    pathlib.Path("build").mkdir()
    pathlib.Path("build/x").write_text("theirs\\n")
    subprocess.run(["git", "add", "-f", "build/x"], check=True)
    subprocess.run(["git", "commit", "-qm", "Add build/x"], check=True)
"""


@pytest.mark.parametrize("mine", ["build/x", "build"])
def test_an_integration_does_not_write_over_a_file_that_the_checkout_ignores(site, mine):
    site.write(".git/info/exclude", "build\n")
    site.write(mine, "mine\n")
    site.task("a")
    site.configure(FORCED, repo={"isolation": "worktree", "integrate_wait": "0s"})
    site.start()

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "unintegrated"
    assert f"Ignored file '{mine}' would be overwritten" in ended["data"]["sentence"]
    assert (site.root / mine).read_text() == "mine\n"
    (site.root / mine).unlink()
    site.run("integrate", ended["session"])
    assert (site.root / "build/x").read_text() == "theirs\n"


def test_an_ignored_file_that_is_as_in_the_commit_is_in_nobodys_way(site):
    site.write(".git/info/exclude", "build\n")
    site.write("build/x", "theirs\n")
    site.task("a")
    site.configure(FORCED, repo={"isolation": "worktree"})

    site.until_idle()

    assert settled(site)[0]["outcome"] == "finished"
