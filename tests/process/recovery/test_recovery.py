"""A supervisor comes back to whatever was left: sessions that live, that ended, and that never began."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from supervisor.world.launch.records import lock_is_held
from tests.process.children.agents import WAIT
from tests.process.recovery.left import cut_short, folder, killed, sessions, waiting

pytestmark = pytest.mark.process

UNTIL_TOLD = """
    import os, sys, time
    print("up", flush=True)
    path = os.path.join(os.environ["LEASEHOLD_REPO"], ".leasehold", os.environ["LEASEHOLD_TASK"])
    while not os.path.exists(path):
        time.sleep(0.02)
    sys.exit(int(open(path).read()))
"""


def test_promise_7_sessions_go_on_over_a_kill_and_their_exit_codes_are_exact(site):
    for number, key in enumerate("abcd"):
        site.task(key, f"{key}.txt", budget=f"{number + 1}h")
    site.configure(UNTIL_TOLD, supervisor={"max_sessions": 4}, retry={"attempts": 1})
    site.start()
    for key in "abcd":
        site.wait_for("session.running", task=key)
    before = sessions(site)
    assert site.ask("session", "show", "a")["leases"] == ["a.txt"]
    killed(site)
    (site.root / ".leasehold/d").write_text("7")  # ends while nobody watches
    site.until((folder(site, before["d"]["id"]) / "exit.json").exists)

    site.start()

    ended = site.wait_for("session.ended", task="d")
    assert ended["data"]["evidence"]["code"] == 7
    after = sessions(site)
    for key in "abc":
        assert {name: after[key][name] for name in ("id", "pid", "worker_pid", "budget", "started_at")} == {
            name: before[key][name] for name in ("id", "pid", "worker_pid", "budget", "started_at")
        }
        assert after[key]["elapsed"] >= before[key]["elapsed"]
    assert site.ask("session", "show", "a")["leases"] == ["a.txt"]
    for code, key in enumerate("abc", start=3):
        (site.root / ".leasehold" / key).write_text(str(code))
        assert site.wait_for("session.ended", task=key)["data"]["evidence"]["code"] == code


def test_sessions_that_nobody_watches_are_listed_as_what_they_are(site):
    for key in "ab":
        site.task(key, f"{key}.txt")
    site.configure(UNTIL_TOLD, supervisor={"max_sessions": 2}, retry={"attempts": 1})
    site.start()
    for key in "ab":
        site.wait_for("session.running", task=key)
    before = sessions(site)
    killed(site)
    (site.root / ".leasehold/b").write_text("7")
    ended = folder(site, before["b"]["id"])
    site.until((ended / "exit.json").exists)
    site.until(lambda: not lock_is_held(ended))

    listed = {session["task"]: session for session in site.ask("session", "list")["sessions"]}

    assert {name: listed["a"][name] for name in ("id", "state", "pid", "worker_pid")} == {
        name: before["a"][name] for name in ("id", "state", "pid", "worker_pid")
    }
    assert listed["a"]["elapsed"] >= before["a"]["elapsed"]
    assert (listed["b"]["state"], listed["b"]["pid"]) == ("unsettled", None)
    assert site.ask("session", "show", "a")["pid"] == before["a"]["pid"]

    site.start()
    evidence = site.wait_for("session.ended", task="b")["data"]["evidence"]
    assert site.ask("session", "show", "b")["elapsed"] == round(evidence["elapsed"], 3)
    killed(site)
    assert site.ask("session", "show", "b")["elapsed"] == round(evidence["elapsed"], 3)
    assert len(site.ask("session", "list", "--all")["sessions"]) == 2


def test_a_log_that_is_gone_or_closed_is_named_in_one_line(site):
    session = waiting(site)["session"]
    log = folder(site, session) / "err.log"
    log.unlink()

    said = site.run("session", "logs", "--err", "a", code=1).stderr

    assert said == f"Error: {log}: there is no such log; it was removed, or not begun yet\n"


def test_a_budget_that_was_extended_is_still_extended_after_a_kill(site):
    session = waiting(site)["session"]
    site.run("session", "extend", session, "100s")
    killed(site)

    site.start()

    site.until(lambda: sessions(site)["a"]["budget"] == 400.0)


def test_a_session_whose_worker_has_not_reported_yet_is_recovering_not_starting(site):
    worker = waiting(site)["data"]["worker_pid"]
    killed(site)
    os.kill(worker, signal.SIGSTOP)
    try:
        site.start()

        assert sessions(site)["a"]["state"] == "recovering"
    finally:
        os.kill(worker, signal.SIGCONT)
    site.until(lambda: sessions(site)["a"]["state"] == "running")


def test_a_stop_that_was_asked_while_nobody_could_pass_it_on_happens_after_the_restart(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.environ["LEASEHOLD_FAILPOINTS"] = "order.before=hang"
    site.start()
    running = site.wait_for("session.running")
    del site.environ["LEASEHOLD_FAILPOINTS"]
    asked = subprocess.Popen(
        site.command("session", "stop", running["session"], "--why", "enough"),
        cwd=site.root, env=site.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    site.until(lambda: site.events("session.wish") != [])
    killed(site)
    asked.wait(60)

    site.start()

    ended = site.wait_for("session.ended")
    assert ended["data"]["outcome"] == "stopped"
    assert "enough" in ended["data"]["sentence"]


def test_promise_14_a_worker_whose_folder_was_removed_is_found_and_taken_over(site):
    running = waiting(site)
    killed(site)
    shutil.rmtree(folder(site, running["session"]))

    site.start()

    adopted = site.wait_for("session.adopted")
    assert adopted["data"]["worker_pid"] == running["data"]["worker_pid"]
    site.run("session", "stop", running["session"], code=None)
    site.wait_for("session.ended")


def test_a_worker_that_dies_before_it_starts_anything_is_told_with_its_last_word(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.environ["LEASEHOLD_FAILPOINTS"] = "worker.locked=kill"
    site.start()

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "unspawned"
    assert "its worker ended before it started the harness" in ended["data"]["sentence"]
    assert site.wait_for("harness.resting")["data"]["failures"] == 1


@pytest.mark.parametrize("point", ["launch.intent_durable", "launch.folder_written", "launch.listening"])
def test_a_start_that_was_cut_short_is_nobodys_failure_and_is_made_up_for_at_once(site, point):
    site.task("a", "a.txt")
    site.configure(WAIT)
    cut_short(site, point)

    site.start()

    again = site.wait_for("session.running")
    (ended,) = site.events("session.ended")
    intended = site.events("session.intended")[-1]
    assert intended["session"] == again["session"]
    assert intended["at"] - ended["at"] < 10  # the shortest back-off is 30 s
    assert (ended["data"]["outcome"], ended["data"]["evidence"]["cause"]) == ("unspawned", "abandoned")
    assert ended["session"] != again["session"]
    assert not site.events("harness.resting")


def test_a_worker_that_was_forked_just_before_the_kill_is_taken_over_and_not_doubled(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    cut_short(site, "launch.forked")

    site.start()

    running = site.wait_for("session.running")
    assert [event["session"] for event in site.events("session.intended")] == [running["session"]]
    assert site.events("session.ended") == []


def test_a_second_supervisor_that_would_answer_at_the_same_path_takes_nothing_over(site, tmp_path):
    run = str(tmp_path / "run")
    site.task("a", "a.txt")
    site.configure(WAIT, supervisor={"state_dir": str(tmp_path / "other"), "runtime_dir": run})
    site.start()
    site.wait_for("session.running")
    killed(site)
    site.configure(WAIT, supervisor={"state_dir": str(tmp_path / "third"), "runtime_dir": run})
    first = site.start()
    site.configure(WAIT, supervisor={"state_dir": str(tmp_path / "other"), "runtime_dir": run})

    second = site.run("run", code=1)

    assert f"a supervisor is already running there (pid {first.pid})" in second.stderr
    assert "session.adopted" not in second.stderr
    from supervisor.world.journal.journal import Journal

    with Journal.open_reader(tmp_path / "other") as reader:
        assert reader.events(0, 100, kinds=["session.adopted"]) == []


def test_a_second_supervisor_is_refused_and_told_of_the_first_whatever_its_runtime_directory(site):
    site.configure(WAIT)
    first = site.start()
    elsewhere = Path(site.environ["XDG_RUNTIME_DIR"], "e")
    elsewhere.mkdir(mode=0o700)

    second = site.run("run", code=1, XDG_RUNTIME_DIR=str(elsewhere))

    (line,) = second.stderr.splitlines()
    assert f"belongs to process {first.pid}, a running supervisor since " in line
    assert f"that answers at {site.socket()}; stop that one" in line
    assert site.ask("status")["pid"] == first.pid


def test_a_state_directory_that_vanishes_starts_nothing_new_and_its_sessions_go_on(site):
    running = waiting(site, supervisor={"max_sessions": 2})
    state = site.root / ".leasehold/state"
    state.rename(state.with_name("taken-away"))

    gone = "was removed or replaced while the supervisor ran"
    assert gone in site.run("status").stdout
    assert gone in site.run("task", "add", "Late", code=1).stderr
    site.task("b", "b.txt")

    explained = ""
    while "was removed or replaced while the supervisor ran" not in explained:
        assert site.running[-1].poll() is None, site.log()
        explained = site.run("explain", "b", code=None).stdout
    assert psutil.pid_exists(running["data"]["pid"])
    assert list(sessions(site)) == ["a"]
    assert site.end(site.running[-1]) == 0
    state.with_name("taken-away").rename(state)
    site.start()
    assert sessions(site)["a"]["pid"] == running["data"]["pid"]
