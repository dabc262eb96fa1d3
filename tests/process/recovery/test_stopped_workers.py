"""Workers that live and do nothing: stopped, or frozen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.cgroups import needs_cgroup
from tests.process.recovery.left import ending, folder, sessions, waiting

pytestmark = pytest.mark.process


def stopped(pid):
    """Stop a process, and return once it stands still."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "T":
        time.sleep(0.001)


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_session_whose_worker_was_stopped_is_ended_all_the_same(site, verb):
    running = waiting(site)
    stopped(running["data"]["worker_pid"])

    said = site.run("session", verb, "a").stdout  # bounded

    assert f" {verb}ped" in said or f" {verb}ed" in said
    note = site.wait_for("worker.stood_still")
    assert (note["data"]["worker_pid"], note["data"]["done"]) == (running["data"]["worker_pid"], "let go on")


@needs_cgroup
def test_a_session_whose_cgroup_somebody_froze_is_killed_all_the_same(site, tagged):
    session = waiting(site, supervisor={"launcher": "cgroup"})["session"]
    tree = Path(json.loads((folder(site, session) / "worker.json").read_text())["cgroup"])
    (tree / "cgroup.freeze").write_text("1")
    site.until(lambda: "frozen 1" in (tree / "cgroup.events").read_text())

    site.run("session", "kill", "a", code=None)

    note = site.wait_for("worker.stood_still")
    assert note["data"]["why"].endswith("is frozen")
    site.wait_for("session.ended")
    assert tagged(session) == []
    assert not tree.exists()


def test_what_a_stopped_worker_cannot_answer_is_told_with_the_reason(site):
    worker = waiting(site)["data"]["worker_pid"]
    stopped(worker)

    refused = site.run("session", "extend", "a", "5s", code=75).stderr

    assert f"its worker, pid {worker}, did not answer within 10 s: it was stopped by a signal" in refused
    os.kill(worker, signal.SIGCONT)
    site.wait_for("session.extended")
    assert sessions(site)["a"]["budget"] == 305.0


def test_a_worker_that_is_stopped_again_and_again_is_killed_and_its_task_stays_held(site, tagged):
    running = waiting(site, harness={"grace": "0s"})
    worker = running["data"]["worker_pid"]
    again = f"import os, signal\nwhile True: os.kill({worker}, signal.SIGSTOP)"
    stopped(worker)
    with ending(subprocess.Popen([sys.executable, "-c", again], stderr=subprocess.DEVNULL)):
        said = site.run("session", "stop", "a", code=None).stdout

    assert "lost" in said or "stopped" in said
    assert tagged(running["session"]) == []
    assert site.ask("task", "show", "a")["standing"] == "held"


def test_promise_5_a_session_that_stops_its_own_worker_does_not_outlive_its_budget(site):
    site.task("a", "a.txt")
    site.configure(
        """
        import os, signal
        os.kill(os.getppid(), signal.SIGSTOP)
        signal.pause()
        """,
        harness={"budget": "1s", "warn": "500ms", "grace": "0s"},
        retry={"attempts": 1},
    )
    site.start()

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "timed_out"
