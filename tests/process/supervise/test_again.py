"""A supervisor that starts again: what it must still know, and what it must not wait for."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process


def start_anew_unheard(site, first, running):
    """Kill the first supervisor and start another, to which the worker of the running session does not report yet."""
    first.kill()
    first.wait()
    os.kill(running["data"]["worker_pid"], signal.SIGSTOP)
    site.start()


def scopes_of(site, running):
    """Return the scopes that the running session holds."""
    leases = site.ask("lease", "list")["leases"]
    return {lease["scope"] for lease in leases if lease["holder"] == running["session"]}


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
    start_anew_unheard(site, first, running)

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
    start_anew_unheard(site, first, running)
    site.wait_for("worktree.orphans")

    os.kill(running["data"]["worker_pid"], signal.SIGCONT)

    site.until(lambda: {"a.txt", "more.txt"} <= scopes_of(site, running))
    assert (site.root / "more.txt").read_text() == "half done"


MANY = """
    import os, pathlib, signal, sys
    sys.stdin.read()
    for number in range(3_000):
        pathlib.Path(f"new-{number}.txt").touch()
    pathlib.Path(".leasehold/up").write_text("up")
    signal.pause()
"""


def test_a_session_with_thousands_of_uncommitted_files_is_adopted_with_all_of_them_at_once(site):
    site.task("a", "a.txt")
    site.configure(MANY)
    os.mkfifo(site.root / ".leasehold/up")
    first = site.start()
    running = site.wait_for("session.running")
    (site.root / ".leasehold/up").read_text()
    start_anew_unheard(site, first, running)
    site.wait_for("worktree.orphans")  # it has not reported yet, and what it wrote seems to be nobody's
    began = time.monotonic()

    os.kill(running["data"]["worker_pid"], signal.SIGCONT)

    site.until(lambda: not site.ask("status")["waiting_for_reports"])
    assert time.monotonic() - began < 10
    assert scopes_of(site, running) == {"a.txt", *(f"new-{number}.txt" for number in range(3_000))}
    assert not site.events("session.no_report")


GIVES_BACK = """
    import json, os, pathlib, socket
    pathlib.Path(".leasehold/up").write_text("up")
    pathlib.Path(".leasehold/again").read_text()
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ["LEASEHOLD_SOCKET"])
    params = {"token": os.environ["LEASEHOLD_TOKEN"], "tokens": [1], "written": ["b.txt"]}
    with line.makefile("rw") as file:
        file.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "guard.give_back", "params": params}) + "\\n")
        file.flush()
        pathlib.Path("answer").write_text(file.readline())
"""


def test_nothing_is_given_back_before_the_worker_has_reported_what_it_holds(site):
    site.task("a", "a.txt", expects="nothing")
    site.configure(GIVES_BACK, guard={"mode": "off"})
    for name in ("up", "again"):
        os.mkfifo(site.root / ".leasehold" / name)
    first = site.start()
    running = site.wait_for("session.running")
    (site.root / ".leasehold/up").read_text()
    start_anew_unheard(site, first, running)

    (site.root / ".leasehold/again").write_text("on")
    site.until(lambda: (site.root / "answer").exists() and (site.root / "answer").read_text() != "")
    os.kill(running["data"]["worker_pid"], signal.SIGCONT)

    assert json.loads((site.root / "answer").read_text())["error"]["data"]["reason"] == "recovering"
    site.wait_for("session.ended")
