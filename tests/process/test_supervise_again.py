"""A supervisor that starts again: what it must still know, and what it must not wait for."""

from __future__ import annotations

import os
import signal

import pytest

pytestmark = pytest.mark.process

WAIT = """
    import signal
    print("up", flush=True)
    signal.pause()
"""


def test_a_session_whose_worker_socket_vanished_can_still_be_stopped(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    first = site.start()
    session = site.wait_for("session.running")["session"]
    first.kill()
    first.wait()
    for path in site.socket().parent.glob("workers/*.sock"):
        path.unlink()
    site.start()

    done = site.run("session", "stop", session)

    assert "stopped" in done.stdout
    assert site.ask("session", "list")["sessions"] == []


def test_a_quota_counts_what_an_earlier_supervisor_started(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    site.configure(WAIT, **{"quotas.account": {"sessions": 1, "window": "1h"}})
    first = site.start()
    running = site.wait_for("session.running")["task"]
    first.kill()
    first.wait()

    site.start()

    (other,) = {"a", "b"} - {running}
    explained = site.run("explain", other)
    assert "quota account is used up" in explained.stdout
    assert [session["task"] for session in site.ask("session", "list")["sessions"]] == [running]


def test_a_worker_that_dies_before_it_reports_holds_nobody_up(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    site.configure(WAIT, supervisor={"max_sessions": 1})
    first = site.start()
    running = site.wait_for("session.running")
    first.kill()
    first.wait()
    os.kill(running["data"]["worker_pid"], signal.SIGSTOP)
    site.start()

    os.kill(running["data"]["worker_pid"], signal.SIGKILL)

    lost = site.wait_for("session.ended")
    assert lost["data"]["outcome"] == "lost"
    (other,) = {"a", "b"} - {running["task"]}
    assert site.wait_for("session.running", task=other)["seq"] > lost["seq"]
    assert not site.events("session.no_report")


STUBBORN = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("up", flush=True)
    while True:
        signal.pause()
"""


def test_a_second_term_stops_a_drain_and_a_third_kills(site, tagged):
    site.task("a", "a.txt")
    site.configure(STUBBORN, supervisor={"on_stop": "drain"}, harness={"grace": "10m", "budget": "20m"})
    process = site.start()
    session = site.wait_for("session.running")["session"]
    printed = site.root / ".leasehold/state/sessions" / session / "out.log"
    site.until(lambda: "up" in printed.read_text(), process)
    process.send_signal(signal.SIGTERM)
    site.wait_for("supervisor.signal", answer="on_stop is drain")
    process.send_signal(signal.SIGTERM)
    site.wait_for("session.stopping")

    assert site.end(process, signal.SIGTERM) == 0

    assert tagged(session) == []
    ended = site.events("session.ended")[0]["data"]
    # Long before its grace.
    assert (ended["outcome"], ended["evidence"]["signal"]) == ("stopped", signal.SIGKILL)


def test_a_drain_at_the_end_is_cut_short_by_its_timeout(site, tagged):
    site.task("a", "a.txt")
    site.configure(WAIT, supervisor={"on_stop": "drain", "drain_timeout": "500ms"})
    process = site.start()
    session = site.wait_for("session.running")["session"]

    assert site.end(process, signal.SIGTERM) == 0

    assert tagged(session) == []
    assert site.events("session.ended")[0]["data"]["outcome"] == "stopped"
    site.start()
    assert site.ask("status")["admission"] == "open"


TAKES_MORE = """
    import os, signal, subprocess, sys
    subprocess.run([sys.executable, "-m", "supervisor.cli.main", "lease", "acquire", "more.txt"], check=True)
    open("more.txt", "w").write("half done")
    print("up", flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("orphans", ["hold", "salvage"])
def test_promise_4_what_a_session_took_later_is_still_its_own_though_its_worker_reports_late(site, orphans):
    site.task("a", "a.txt")
    site.configure(
        TAKES_MORE,
        repo={"orphans": orphans},
        harness={"env": {"PYTHONPATH": site.environ["PYTHONPATH"]}},
    )
    first = site.start()
    running = site.wait_for("session.running")
    site.until(lambda: (site.root / "more.txt").exists() and (site.root / "more.txt").read_text() != "")
    first.kill()
    first.wait()
    os.kill(running["data"]["worker_pid"], signal.SIGSTOP)
    site.start()
    site.wait_for("worktree.orphans")

    os.kill(running["data"]["worker_pid"], signal.SIGCONT)

    site.until(
        lambda: (
            {"a.txt", "more.txt"}
            <= {
                lease["scope"]
                for lease in site.ask("lease", "list")["leases"]
                if lease["holder"] == running["session"]
            }
        )
    )
    assert (site.root / "more.txt").read_text() == "half done"
