"""The whole path, for real: configuration, tasks, sessions, git, commits, endings."""

from __future__ import annotations

import itertools
import select
from pathlib import Path

import pytest

from tests.process.children.agents import APPEND, WAIT

pytestmark = pytest.mark.process


def spans(events):
    """Return (task, scopes, from, to) of every session."""
    begun = {e["session"]: e for e in events if e["kind"] == "session.intended"}
    return [
        (
            e["task"],
            {lease["scope"] for lease in begun[e["session"]]["data"]["leases"]},
            begun[e["session"]]["at"],
            e["at"],
        )
        for e in events
        if e["kind"] == "session.ended"
    ]


def test_five_tasks_are_each_done_once_in_a_commit_of_their_own_with_the_trailer(site):
    for number in range(5):
        site.task(f"t{number}-x", f"src/t{number}.txt")
    site.configure(APPEND)

    site.until_idle()

    log = site.git(
        "log", "--format=%s|%(trailers:key=Leasehold-Session,valueonly,separator=%x2c)", "HEAD~5.."
    )
    lines = sorted(log.splitlines())
    ended = {e["task"]: e["session"] for e in site.events("session.ended")}
    assert lines == sorted(f"Do {task}|{session}" for task, session in ended.items())
    assert len(ended) == 5
    assert site.git("status", "--porcelain", "src") == ""


def test_promise_2_sessions_over_one_scope_never_overlap_in_time_and_no_update_is_lost(site):
    keys = [f"p{scope}-{number}" for scope in range(3) for number in range(4)]
    for key in keys:
        site.task(key, f"src/{key.split('-')[0]}.txt")
    site.configure(APPEND, supervisor={"max_sessions": 8})

    site.until_idle()

    found = spans(site.events())
    assert sorted(task for task, *_ in found) == sorted(keys)
    for one, other in itertools.combinations(found, 2):
        if one[1] & other[1]:
            assert one[3] <= other[2] or other[3] <= one[2], f"{one} and {other} overlapped"
    written = [line for path in (site.root / "src").iterdir() for line in path.read_text().split()]
    assert sorted(written) == sorted(keys)


def test_promise_8_a_hung_session_ends_within_its_grace_with_no_process_left(site, tagged):
    site.task("hang", "x")
    site.configure(
        """
        import os, signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import os, signal; os.setsid(); signal.pause()"])
        print("up", flush=True)
        while True:
            signal.pause()
        """,
        harness={"budget": "2s", "warn": "0s", "grace": "500ms"},
        retry={"attempts": 1},
    )

    site.until_idle(code=1)

    (ended,) = site.events("session.ended")
    assert ended["data"]["outcome"] == "timed_out"
    assert ended["data"]["evidence"]["signal"] == 9
    assert ended["data"]["evidence"]["elapsed"] >= 2.5
    assert tagged(ended["session"]) == []


def test_promise_13_an_idle_supervisor_does_not_wake(site):
    site.configure(WAIT)
    (site.root / "tasks").mkdir()
    process = site.start()
    site.ask("status")

    def switches() -> int:
        total = 0
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("voluntary")).split()[1])
        return total

    def sleeps() -> bool:
        before = switches()
        select.select([], [], [], 3.0)
        return switches() - before <= 1

    # At once, or when what the status request stirred got the processor.
    assert any(sleeps() for _ in range(10))


def test_a_task_file_added_while_it_runs_is_started_without_being_told(site):
    site.configure(APPEND)
    (site.root / "tasks").mkdir()
    site.start()
    site.task("new-1", "src/new.txt")

    assert site.wait_for("session.ended")["task"] == "new-1"


def test_uncommitted_files_of_nobody_are_held_and_named(site):
    site.write("dirty.txt", "mine")
    site.task("a", "dirty.txt")
    site.git("add", "tasks")
    site.git("commit", "-qm", "Tasks")
    site.configure(WAIT)
    site.start()

    status = site.ask("status")

    assert status["orphans"] == {"site": ["dirty.txt"]}
    found = site.ask("explain", "a")
    assert found["runs_now"] is False
    assert "belong to no session" in found["sentence"]


def test_uncommitted_files_are_handed_to_exactly_one_session_when_that_is_configured(site):
    site.write("dirty.txt", "half done")
    site.configure(
        """
        import subprocess
        subprocess.run(["git", "add", "dirty.txt"], check=True)
        subprocess.run(["git", "commit", "-qm", "Finish", "--", "dirty.txt"], check=True)
        """,
        repo={"orphans": "hand-off"},
    )

    site.until_idle()

    (ended,) = site.events("session.ended")
    assert ended["task"].startswith("hand-off-site-")
    assert ended["data"]["outcome"] == "finished"


def test_the_brief_tells_what_is_held_who_else_is_there_and_how_to_ask_for_more(site):
    site.task("a", "one.txt")
    site.task("b", "two.txt")
    site.configure(WAIT)
    site.start()
    site.wait_for("session.running", count=2)
    second = next(s for s in site.ask("ps")["sessions"] if s["task"] == "b")

    brief = (site.root / f".leasehold/state/sessions/{second['id']}/prompt.md").read_text()

    assert "you hold: two.txt" in brief
    assert "(task a)" in brief
    assert "holds one.txt" in brief
    assert "leasehold lease acquire PATH" in brief


def test_a_session_that_is_over_leaves_no_secret_behind(site):
    site.task("a", "src/a.txt")
    site.environ["API_KEY"] = "hunter2"
    site.configure(APPEND, harness={"env_from": ["API_KEY"]})

    site.until_idle()

    files = [path for path in (site.root / ".leasehold/state/sessions").rglob("*") if path.is_file()]
    assert any(path.name == "spec.json" for path in files)
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


def test_sessions_run_where_the_paths_of_their_sockets_are_longer_than_an_address(site):
    # The control socket's path still counts as short enough, a worker's is too long for an address.
    deep = site.root.parent / ("d" * (99 - len(f"{site.root.parent}//ctl.sock")))
    deep.mkdir(mode=0o700)
    site.task("a", "src/a.txt")
    site.configure(APPEND, supervisor={"runtime_dir": str(deep)})

    site.until_idle()

    (ended,) = site.events("session.ended")
    assert ended["data"]["outcome"] == "finished"
    assert "session.running" in {event["kind"] for event in site.events()}
