"""Sessions that live and that the journal does not know."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.process.recovery.left import ending, folder, holding, killed, waiting

pytestmark = pytest.mark.process


def forgotten(site):
    """Start a session, kill its supervisor, remove the journal, and start anew."""
    running = waiting(site)
    killed(site)
    for path in (site.root / ".leasehold/state").glob("journal.db*"):
        path.unlink()
    return running


def test_promise_1_a_living_session_that_the_journal_forgot_is_told_and_its_task_is_not_started_again(site):
    running = forgotten(site)

    site.start()

    stray = site.wait_for("session.stray")
    session = running["session"]
    assert (stray["session"], stray["data"]["worker_pid"]) == (session, running["data"]["worker_pid"])
    assert "the journal does not know it" in site.run("status").stdout
    assert "lives, but the journal does not know it" in site.run("explain", "a").stdout
    assert site.ask("ps")["sessions"] == []
    assert session in site.run("doctor", code=None).stdout


def test_a_stray_is_ended_at_a_word_and_its_task_can_start_again(site, tagged):
    session = forgotten(site)["session"]
    site.start()
    site.wait_for("session.stray")
    refused = site.run("session", "stop", session, code=1).stderr
    assert f"`leasehold session kill {session}` ends it" in refused

    said = site.run("session", "kill", session).stdout

    assert "it was a stray" in said
    assert tagged(session) == []
    assert (folder(site, session) / "exit.json").exists()
    assert site.wait_for("session.stray_ended")["session"] == session
    assert site.ask("status")["strays"] == {}
    site.run("task", "release", "a")
    assert site.wait_for("session.running")["session"] != session


def test_a_stray_that_ends_by_itself_is_struck_off_the_list(site):
    session = forgotten(site)["session"]
    site.start()
    worker = site.wait_for("session.stray")["data"]["worker_pid"]

    os.kill(worker, signal.SIGTERM)

    assert site.wait_for("session.stray_ended")["data"]["by"] == "itself"
    assert site.ask("status")["strays"] == {}
    assert session not in site.run("doctor", code=None).stdout


def test_what_is_left_of_a_session_without_its_worker_is_a_stray_too(site, tagged):
    session = forgotten(site)["session"]
    os.kill(int((folder(site, session) / "lock").read_text()), signal.SIGKILL)
    site.until(lambda: tagged(session) == [])
    mark = {"LEASEHOLD_SESSION": session, "LEASEHOLD_NOTICE": str(folder(site, session) / "notice")}
    with ending(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=mark)) as left:
        site.start()
        assert site.wait_for("session.stray")["session"] == session

        site.run("session", "kill", session)

        assert left.wait(60) == -signal.SIGKILL


def test_promise_9_a_lock_that_is_held_by_a_stranger_gets_nobody_killed(site):
    session = forgotten(site)["session"]
    worker = int((folder(site, session) / "lock").read_text())
    os.kill(worker, signal.SIGKILL)
    lock = folder(site, session) / "lock"
    with holding(lock) as process:
        site.start()
        site.wait_for("session.stray")

        refused = site.run("session", "kill", session, code=1).stderr

        assert "not proven to be this session's worker" in refused
        assert process.poll() is None
