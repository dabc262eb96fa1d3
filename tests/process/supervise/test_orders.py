"""What operators order and ask, and when they are answered."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.process.children.agents import WAIT
from tests.process.conftest import LIMIT

pytestmark = pytest.mark.process


def test_promise_12_a_stop_is_answered_when_nothing_of_the_session_is_left_and_holds_the_task(site, tagged):
    site.task("long", "x")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    assert tagged(session)

    answer = site.ask("session", "stop", session)

    assert answer["outcome"] == "stopped"
    assert tagged(session) == []
    assert site.ask("explain", "long")["reason"] == "held"
    assert site.ask("ps")["sessions"] == []


def test_launch_is_answered_when_the_harness_runs(site):
    site.configure(WAIT, supervisor={"pool": False})
    site.task("a", "x")
    site.start()
    assert site.ask("ps")["sessions"] == []

    found = site.ask("launch", "--task", "a")

    assert found["state"] == "running"
    os.kill(found["pid"], 0)
    again = site.run("launch", "--task", "a", code=1)
    assert "has it" in again.stderr


def test_extending_a_session_moves_its_deadline_and_is_recorded(site):
    site.task("a", "x")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]

    found = site.ask("session", "extend", session, "10m")

    assert found["budget"] == 900.0
    assert site.wait_for("session.extended")["data"]["by"] == "operator"
    deadline = json.loads((site.root / f".leasehold/state/sessions/{session}/deadline.json").read_text())
    record = site.ask("session", "show", session)
    assert 900 <= deadline["wall"] - record["started_at"] < 960


def test_a_drain_that_waits_says_for_whom_and_returns_when_the_last_session_has_ended(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    with subprocess.Popen(
        site.command("drain", "--wait"),
        cwd=site.root, env=site.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as waiting:  # fmt: skip
        assert waiting.stderr is not None
        told = waiting.stderr.readline()
        site.run("session", "kill", session)
        said = waiting.communicate(timeout=LIMIT)[0]

    assert told.startswith(f"leasehold: draining; waiting for {session} (a, ")
    assert waiting.returncode == 0
    assert said == "drained: no session runs, and none is started before `leasehold resume`\n"


def test_without_a_supervisor_the_command_line_says_so_with_exit_code_3(site):
    site.configure(WAIT)
    done = site.run("status", code=3)
    assert "leasehold run" in done.stderr


def test_next_counts_what_is_not_in_the_ranking(site):
    for key in ("a", "b", "c"):
        site.task(key, key)
    site.configure(WAIT, supervisor={"pool": False})
    site.start()
    site.run("task", "hold", "a")
    site.run("task", "hold", "b", "--why", "not yet")

    found = site.ask("next")

    assert found["chosen"]["id"] == "c"
    assert found["unranked_counts"] == {"held": 2}
    assert "not in the ranking: 2 held" in site.run("next").stdout


def test_next_shows_people_twenty_that_were_passed_over_and_counts_all_in_words(site):
    for number in range(24):
        site.task(f"t{number:02}", "same.txt")
    site.configure(WAIT)
    site.start()
    site.wait_for("session.running")

    shown = site.run("next").stdout.splitlines()

    assert len([line for line in shown if line.startswith("  passed over t")]) == 20
    assert "  and 3 more; passed over in all: 23 leased" in shown
    assert len(site.ask("next")["skipped"]) == 23
