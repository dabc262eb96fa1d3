"""Looking at what is over: ended sessions, their logs, events in words, and logs without secrets."""

from __future__ import annotations

import io
import json

import pytest
import structlog

pytestmark = pytest.mark.process

COMMIT = """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    print("hello from", os.environ["LEASEHOLD_TASK"])
    pathlib.Path("src").mkdir(exist_ok=True)
    pathlib.Path("src/a.txt").write_text("a\\n")
    subprocess.run(["git", "add", "src/a.txt"], check=True)
    subprocess.run(["git", "commit", "-qm", "Add a", "--", "src/a.txt"], check=True)
"""


def test_ended_sessions_are_listed_and_shown_with_their_leases_token_and_log(site):
    site.task("one", "src/a.txt")
    site.configure(COMMIT)
    site.start()
    ended = site.wait_for("session.ended")

    listed = site.ask("session", "list", "--all")["sessions"]
    shown = site.ask("session", "show", ended["session"])

    assert [(s["id"], s["outcome"], s["fence"]) for s in listed] == [(ended["session"], "finished", 1)]
    assert shown["outcome"] == "finished"
    assert site.ask("session", "show", "one")["id"] == ended["session"]
    assert site.run("session", "logs", "one").stdout == "hello from one\n"


def test_what_happened_may_be_asked_for_by_how_long_ago_it_was(site):
    site.task("one", "src/a.txt")
    site.configure(COMMIT)
    site.until_idle()

    everything = site.ask("events", "-n", "1000")["events"]
    lately = site.ask("events", "--since", "1h")["events"]
    one = site.ask("events", "--since", "1h", "-n", "1")["events"]
    just_now = site.run("events", "--since", "1ms")
    report = site.run("report", "--since", "1ms")

    assert lately == everything
    assert one == everything[-1:]
    assert (just_now.stdout, "no event matches" in just_now.stderr) == ("", True)
    assert "no session that started within" in report.stdout


def test_an_order_to_a_session_that_is_over_says_how_it_ended(site):
    site.task("one", "src/a.txt")
    site.configure(COMMIT)
    site.start()
    ended = site.wait_for("session.ended")

    refused = site.run("session", "stop", "one", code=1).stderr

    assert f"session {ended['session']} has ended: exited with code 0" in refused


def test_lists_and_refusals_are_told_in_the_line_of_an_event():
    from supervisor.cli.events import line

    event = {"at": 0.0, "kind": "lease.granted", "data": {"scopes": ["a", "b", "c", "d"], "wait": 2.0}}
    assert line(event).endswith("scopes=a,b,c,… wait=2")
    refused = {"at": 0.0, "kind": "commit.refused", "data": {"count": 1, "lines": ["a: held by x"]}}
    assert line(refused).endswith("a: held by x")


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_in_the_log_has_no_local_variables(style):
    from supervisor.world.logs import configure_logs

    stream = io.StringIO()
    configure_logs(style, "info", stream)
    try:
        capability = "a-secret".upper()
        try:
            json.loads(capability[:0])
        except ValueError:
            structlog.get_logger("leasehold").exception("it failed")
    finally:
        structlog.reset_defaults()

    assert "JSONDecodeError" in stream.getvalue()
    assert "A-SECRET" not in stream.getvalue()
