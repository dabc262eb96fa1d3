"""What a supervisor that was killed had written down: the next one goes on from it, and so do readers."""

from __future__ import annotations

import json

import pytest

from tests.process.children.agents import APPEND, WAIT

pytestmark = pytest.mark.process


def test_promise_1_a_restarted_supervisor_takes_its_sessions_over_and_starts_nothing_twice(site, tagged):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    site.wait_for("session.running")
    before = site.ask("ps")["sessions"]
    process.kill()
    process.wait()

    site.start()
    site.wait_for("session.running", count=2)
    after = site.ask("ps")["sessions"]

    assert [(s["id"], s["pid"], s["worker_pid"], s["budget"]) for s in after] == [
        (s["id"], s["pid"], s["worker_pid"], s["budget"]) for s in before
    ]
    assert after[0]["elapsed"] >= before[0]["elapsed"]
    assert site.ask("lease", "list")["leases"][0]["token"] == 1
    assert len(site.events("session.intended")) == 1
    site.run("session", "kill", after[0]["id"])
    assert tagged(after[0]["id"]) == []


def test_a_second_supervisor_on_the_same_state_is_refused_and_names_the_first(site):
    site.configure(WAIT)
    process = site.start()

    done = site.run("run", code=1)

    assert f"process {process.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_queued_task_is_on_disk_when_add_returns_and_survives_a_kill(site):
    site.configure(WAIT, supervisor={"pool": False})
    process = site.start()
    key = site.ask("task", "add", "Do it", "--path", "x")["id"]
    process.kill()
    process.wait()

    site.start()

    assert [task["id"] for task in site.ask("task", "list")["tasks"]] == [key]


def test_leases_taken_while_it_runs_survive_a_kill_of_the_supervisor(site):
    site.task("a", "x")
    site.configure(
        f"""
        import subprocess, signal
        subprocess.run([{json.dumps(str(site.command()[0]))}, "-m", "supervisor.cli.main", "lease", "acquire", "more.txt", "src/"], check=True)
        signal.pause()
        """,
        harness={"env": {"PYTHONPATH": site.environ["PYTHONPATH"]}},
    )
    process = site.start()
    site.wait_for("lease.granted")
    before = site.ask("lease", "list")["leases"]
    process.kill()
    process.wait()

    site.start()
    site.wait_for("session.running", count=2)

    after = site.ask("lease", "list")["leases"]
    held = [(lease["scope"], lease["holder"], lease["token"]) for lease in after]
    assert held == [(lease["scope"], lease["holder"], lease["token"]) for lease in before]
    assert [scope for scope, *_ in held] == ["x", "more.txt", "src/"]
    refused = site.run("lease", "acquire", "src/file.py", code=1)
    assert "held by session" in refused.stderr


def test_what_happened_is_read_from_the_journal_when_no_supervisor_runs(site):
    site.task("a", "src/a.txt")
    site.configure(APPEND)
    site.until_idle()

    events = site.ask("events", "--kind", "session.ended")["events"]

    assert [event["task"] for event in events] == ["a"]
    assert site.ask("report")["sessions"] == 1
    assert [session["task"] for session in site.ask("session", "list", "--all")["sessions"]] == ["a"]
    assert site.ask("session", "show", "a")["outcome"] == "finished"
    assert site.run("session", "logs", "a").stdout == ""
    assert site.run("session", "show", "nobody", code=1).stdout == ""
    assert site.run("ps", code=3).stdout == ""


def test_an_operators_pause_outlives_the_supervisor_and_is_said_of_a_new_task(site):
    site.configure(WAIT)
    process = site.start()
    site.run("pause", "--why", "lunch")
    process.kill()
    process.wait()

    site.start()

    status = site.ask("status")
    assert (status["admission"], status["admission_why"]) == ("paused", "lunch")
    added = site.run("task", "add", "Do it", "--path", "x")
    assert "could run, but the supervisor is paused" in added.stdout
    site.run("resume")
    assert site.wait_for("session.running")["task"] == "q-1"
