"""Six sessions at once on thirty tasks that change the same files: all of it comes into the target, and nothing twice."""

from __future__ import annotations

import os
import sys

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.process]

FILES = 5
TASKS = 30

# Each task adds its own line to two counters: one that others add to at the same place, and one at its own place.
AGENT = """
    import os, pathlib, re, subprocess, sys
    sys.stdin.read()
    number = int(os.environ["LEASEHOLD_TASK"][1:])
    branch = f"leasehold/{os.environ['LEASEHOLD_SESSION']}"
    def git(*words, code=0):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        assert code is None or done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout
    def add(path, line):
        lines = sorted({*pathlib.Path(path).read_text().splitlines(), line})
        pathlib.Path(path).write_text("".join(f"{line}\\n" for line in lines))
    if git("log", "--format=%h", "main..HEAD"):
        # An earlier session did the work, and met another version: both sides' lines are wanted.
        git(WAY, "main", code=None)
        unmerged = git("diff", "--name-only", "--diff-filter=U").split()
        while unmerged:
            for path in unmerged:
                text = pathlib.Path(path).read_text()
                lines = sorted({line for line in text.splitlines() if re.fullmatch(r"task \\d+", line)})
                pathlib.Path(path).write_text("".join(f"{line}\\n" for line in lines))
                git("add", path)
            git("-c", "core.editor=true", WAY, "--continue", code=None)
            unmerged = git("diff", "--name-only", "--diff-filter=U").split()
        assert git("branch", "--show-current").strip() == branch
        sys.exit()
    for path in (f"shared{number % FILES}.txt", f"shared{(number + 1) % FILES}.txt"):
        add(path, f"task {number:02}")
        git("add", path)
        git("commit", "-qm", f"Add task {number:02} to {path}")
"""


def prepared(site, way: str, **repo: object) -> None:
    for number in range(FILES):
        site.write(f"shared{number}.txt", "")
    site.git("add", "-A")
    site.git("commit", "-qm", "Files")
    for number in range(TASKS):
        site.task(f"t{number}")
    program = AGENT.replace("WAY", repr(way)).replace("FILES", str(FILES))
    site.configure(
        program,
        repo={"isolation": "worktree", "integrate": way, **repo},
        supervisor={"max_sessions": 6},
        selection={"recent_commit_minutes": 0},
        harness={"budget": "60s"},
    )
    site.git("add", "-A")
    site.git("commit", "-qm", "Tasks")


def expected() -> dict[str, list[str]]:
    lines: dict[str, set[str]] = {f"shared{number}.txt": set() for number in range(FILES)}
    for number in range(TASKS):
        for path in (f"shared{number % FILES}.txt", f"shared{(number + 1) % FILES}.txt"):
            lines[path].add(f"task {number:02}")
    return {path: sorted(found) for path, found in lines.items()}


def proven(site) -> list[str]:
    """Check all but the history; return the subjects of the sessions' own commits, oldest first."""
    ends = site.events("session.ended")
    done = [event["task"] for event in ends if event["data"]["outcome"] == "finished"]
    assert sorted(done) == sorted(f"t{number}" for number in range(TASKS))
    usual = {"finished", "unintegrated"}
    assert [e["data"]["sentence"] for e in ends if e["data"]["outcome"] not in usual] == []
    assert {path: (site.root / path).read_text().splitlines() for path in expected()} == expected()
    assert site.git("status", "--porcelain", "-uno") == ""
    assert site.git("fsck", "--no-dangling") == ""
    assert site.git("branch", "--list", "leasehold/*") == ""
    assert len(site.git("worktree", "list").splitlines()) == 1
    subjects = site.git("log", "--no-merges", "--reverse", "--format=%s", "main").splitlines()
    return [subject for subject in subjects if subject.startswith("Add task")]


def every_commit() -> list[str]:
    return sorted(
        f"Add task {number:02} to shared{(number + step) % FILES}.txt"
        for number in range(TASKS)
        for step in (0, 1)
    )


def test_by_rebase_every_commit_comes_in_once_and_the_history_is_linear(site):
    prepared(site, "rebase")

    site.until_idle()

    assert sorted(proven(site)) == every_commit()
    assert site.git("rev-list", "--merges", "main") == ""


def test_by_merge_every_commit_comes_in_once_and_each_session_is_one_merge(site):
    prepared(site, "merge")

    site.until_idle()

    assert sorted(proven(site)) == every_commit()
    first_parents = site.git("log", "--first-parent", "--merges", "--format=%s", "main").splitlines()
    assert sorted(first_parents) == sorted(f"Merge Do t{number}" for number in range(TASKS))


def test_every_commit_that_comes_in_is_inside_the_leases_of_its_session(site):
    prepared(site, "rebase")

    site.until_idle()

    proven(site)
    leased: dict[str, set[str]] = {}
    for event in site.events("lease.granted"):
        leased.setdefault(event["data"]["holder"], set()).update(event["data"]["scopes"])
    landed = {}
    for event in site.events("session.integrated"):
        for commit in event["data"]["commits"]:
            paths = site.git("show", "--format=", "--name-only", commit).split()
            assert set(paths) <= leased[event["session"]]
            landed[commit] = event["session"]
    assert set(landed) == set(site.git("rev-list", "main", "--grep", "^Add task").split())


def test_those_that_wait_are_checked_together_and_the_one_at_fault_is_found_by_halves(site):
    tasks = [f"w{number}" for number in range(6)]
    for task in tasks:
        site.task(task)
    check = """
    import os, pathlib
    state = pathlib.Path(os.environ["STATE"])
    first = not (state / "checks").exists()
    here = sorted(path.name for path in pathlib.Path.cwd().glob("w*.txt"))
    with (state / "checks").open("a") as file:
        file.write(" ".join(here) + "\\n")
    if first:
        (state / "gate").read_text()  # until all others wait
    raise SystemExit("bad.txt" if any("bad" in pathlib.Path(name).read_text() for name in here) else 0)
    """
    program = site.write(".leasehold/check.py", check)
    state = site.root / ".leasehold"
    os.mkfifo(state / "gate")
    site.configure(
        """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    pathlib.Path(f"{task}.txt").write_text("bad" if task == "w3" else "good")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", f"Do {task}"], check=True)
    """,
        repo={"isolation": "worktree", "check": ["env", f"STATE={state}", sys.executable, str(program)]},
        supervisor={"max_sessions": 6},
        retry={"attempts": 1},
    )
    site.start()
    site.wait_for("session.integrating", count=6)
    (state / "gate").write_text("go\n")

    site.wait_for("session.ended", count=6)

    site.until(lambda: len(site.events("session.ended")) == 6)
    outcomes = {event["task"]: event["data"]["outcome"] for event in site.events("session.ended")}
    assert outcomes == {task: "failed" if task == "w3" else "finished" for task in tasks}
    assert sorted(path.name for path in site.root.glob("w*.txt")) == [
        f"{task}.txt" for task in tasks if task != "w3"
    ]
    checked = [line.split() for line in (state / "checks").read_text().splitlines()]
    assert max(map(len, checked)) > 2, checked
    assert len(checked) <= 1 + 1 + 2 * 3, checked


def test_a_conflict_over_what_git_cannot_merge_says_so_and_keeps_both_versions(site):
    (site.root / "picture.bin").write_bytes(b"\0first")
    site.git("add", "-A")
    site.git("commit", "-qm", "Picture")
    for task in ("a", "b"):
        site.task(task)
    site.configure(
        """
    import os, pathlib, subprocess, sys, time
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    ready = pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parent.parent
    (ready / f"{task}.ready").touch()
    while len(list(ready.glob("*.ready"))) < 2:
        time.sleep(0.01)
    pathlib.Path("picture.bin").write_bytes(b"\\0" + task.encode())
    subprocess.run(["git", "commit", "-qam", f"Do {task}"], check=True)
    """,
        repo={"isolation": "worktree"},
        retry={"spawns": 1},
    )

    site.until_idle(code=None)

    (kept,) = site.events("session.unintegrated")
    assert kept["data"]["hitch"] == "conflict"
    assert "picture.bin is binary" in kept["data"]["why"]
    landed = "a" if kept["task"] == "b" else "b"
    assert (site.root / "picture.bin").read_bytes() == b"\0" + landed.encode()
    assert site.git("cat-file", "blob", f"{kept['data']['branch']}:picture.bin") == f"\0{kept['task']}"
    assert site.git("fsck", "--no-dangling") == ""


def test_the_files_of_a_sparse_checkout_stay_sparse(site):
    site.write("in/a.txt", "a\n")
    site.write("out/b.txt", "b\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Folders")
    site.git("sparse-checkout", "set", "in", "tasks", ".leasehold")
    site.task("a")
    site.configure(
        """
    import pathlib, subprocess, sys
    sys.stdin.read()
    for name in ("in/new.txt", "in/a.txt"):
        pathlib.Path(name).write_text("changed\\n")
    subprocess.run(["git", "add", "in"], check=True)
    subprocess.run(["git", "commit", "-qm", "Change"], check=True)
    """,
        repo={"isolation": "worktree"},
    )

    site.until_idle()

    assert site.events("session.ended")[-1]["data"]["outcome"] == "finished"
    assert (site.root / "in/new.txt").read_text() == "changed\n"
    assert not (site.root / "out").exists()
    assert site.git("status", "--porcelain", "-uno") == ""
