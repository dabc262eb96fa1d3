"""Leases as sessions and operators meet them: at the commit, and on the command line."""

from __future__ import annotations

import json

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process


def test_promise_5_a_commit_outside_the_leases_does_not_land_even_without_verification(site):
    site.task("a", "inside.txt")
    site.configure(
        """
        import pathlib, subprocess
        pathlib.Path("outside.txt").write_text("x")
        subprocess.run(["git", "add", "outside.txt"])
        for flags in ([], ["--no-verify"]):
            done = subprocess.run(["git", "commit", "-qm", "no", *flags, "--", "outside.txt"], capture_output=True, text=True)
            print(done.returncode, done.stderr)
        """,
        retry={"attempts": 1},
        guard={"mode": "off"},
    )
    before = site.git("rev-parse", "HEAD")

    done = site.until_idle(code=1)

    assert "a: parked" in done.stderr
    assert site.git("rev-parse", "HEAD") == before
    refused = site.events("commit.refused")
    assert len(refused) == 2
    assert refused[0]["data"]["paths"] == ["outside.txt"]
    session = site.events("session.ended")[0]["session"]
    log = (site.root / f".leasehold/state/sessions/{session}/out.log").read_text()
    assert "outside the leases of session" in log
    assert "leasehold lease acquire outside.txt" in log


def test_a_session_asks_for_leases_with_the_command_line_and_may_not_give_orders(site):
    site.task("a", "x")
    site.configure(
        f"""
        import subprocess, sys
        def run(*args):
            done = subprocess.run([{json.dumps(str(site.command()[0]))}, "-m", "supervisor.cli.main", *args], capture_output=True, text=True)
            print(done.returncode, (done.stdout + done.stderr).strip(), flush=True)
        run("lease", "acquire", "more.txt")
        run("lease", "who", "more.txt")
        run("lease", "release", "more.txt")
        run("drain")
        run("session", "kill", "a")
        """,
        harness={"env": {"PYTHONPATH": site.environ["PYTHONPATH"]}},
        retry={"attempts": 1},
    )

    site.until_idle(code=1)

    session = site.events("session.ended")[0]["session"]
    log = (site.root / f".leasehold/state/sessions/{session}/out.log").read_text().splitlines()
    assert log[0].startswith("0 more.txt is yours")
    assert session in "\n".join(log)
    assert any(line.startswith("0 1 lease given back") for line in log)
    denied = [line for line in log if line.startswith("1 leasehold:")]
    assert len(denied) == 2
    assert all("is for operators" in line for line in denied)


def test_a_lease_that_another_holds_is_refused_with_names_and_the_wait_runs_out_with_75(site):
    site.task("a", "held.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]

    refused = site.run("lease", "acquire", "held.txt", code=1)
    late = site.run("lease", "acquire", "held.txt", "--wait", "200ms", code=75)

    for done in (refused, late):
        assert f"held by session {session} (task a, worker pid" in done.stderr
        assert "Traceback" not in done.stderr
    assert site.ask("status")["collisions"]["leases_refused"] == 1
