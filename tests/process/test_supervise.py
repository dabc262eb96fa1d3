"""The whole path, for real: configuration, tasks, sessions, git, commits, endings."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.process.conftest import LIMIT

pytestmark = pytest.mark.process

APPEND = """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    path = pathlib.Path(os.environ["LEASEHOLD_REPO"], "src", task.split("-")[0] + ".txt")
    path.parent.mkdir(exist_ok=True)
    text = path.read_text() if path.exists() else ""
    path.write_text(text + task + "\\n")
    subprocess.run(["git", "add", str(path)], check=True)
    subprocess.run(["git", "commit", "-qm", "Do " + task, "--", str(path)], check=True)
"""
WAIT = """
    import signal, sys
    print("up", flush=True)
    signal.pause()
"""


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


def test_hangup_with_a_broken_config_keeps_the_last_good_one_and_says_so(site):
    site.configure(WAIT)
    process = site.start()
    config = site.root / ".leasehold/config.toml"
    good = config.read_text()
    config.write_text(good + "\n[supervisor]\nmax_sesions = 3\n")

    process.send_signal(signal.SIGHUP)
    event = site.wait_for("supervisor.reload_refused")

    assert 'did you mean "max_sessions"?' in event["data"]["problems"][0]
    site.wait_for("supervisor.signal", signal="SIGHUP")
    status = site.ask("status")
    assert status["generation"] == 1
    assert "kept as it was" in status["last_signal"]["answer"]
    assert status["config_refused"] == event["data"]["problems"]
    assert "CONFIG       not in force: " in site.run("status").stdout
    config.write_text(good + "\n[supervisor]\nmax_sessions = 3\n")
    process.send_signal(signal.SIGHUP)
    assert site.wait_for("supervisor.reloaded")["data"]["changes"] == ["supervisor.max_sessions: 4 -> 3"]
    assert site.ask("status")["slots"]["of"] == 3
    assert site.ask("status")["config_refused"] == []


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


def test_usr1_reads_priorities_again_and_the_next_start_follows_the_new_ranking(site):
    for key in ("a", "b", "c"):
        site.task(key, key, priority=1)
    site.configure(WAIT, supervisor={"max_sessions": 1})
    process = site.start()
    first = site.wait_for("session.running")
    assert first["task"] == "a"
    site.task("c", "c", priority=9)

    process.send_signal(signal.SIGUSR1)
    told = site.wait_for("supervisor.signal", signal="SIGUSR1")

    assert told["data"]["answer"] == "ranking 1: c, b"
    assert site.ask("status")["ranked_first"] == ["c", "b"]
    site.run("session", "stop", first["session"])
    assert site.wait_for("session.running", count=2)["task"] == "c"


def test_usr2_toggles_draining(site):
    site.configure(WAIT)
    process = site.start()
    process.send_signal(signal.SIGUSR2)
    site.wait_for("supervisor.signal", signal="SIGUSR2")
    assert site.ask("status")["admission"] == "draining"

    process.send_signal(signal.SIGUSR2)
    site.wait_for("supervisor.signal", count=2, signal="SIGUSR2")
    assert site.ask("status")["admission"] == "open"


def test_quit_writes_the_state_to_the_log(site):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    site.wait_for("session.running")
    process.send_signal(signal.SIGQUIT)
    site.wait_for("supervisor.signal", signal="SIGQUIT")

    assert "dump.session" in site.log()
    assert "dump.lease" in site.log()


def test_interrupts_drain_then_stop(site, tagged):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    session = site.wait_for("session.running")["session"]
    process.send_signal(signal.SIGINT)
    site.wait_for("supervisor.signal", signal="SIGINT")
    assert process.poll() is None

    assert site.end(process, signal.SIGINT) == 0
    assert tagged(session) == []
    assert site.events("session.ended")[0]["data"]["outcome"] == "stopped"


@pytest.mark.parametrize("on_stop", ["stop", "leave"])
def test_term_ends_by_on_stop(site, tagged, on_stop):
    site.task("a", "x")
    site.configure(WAIT, supervisor={"on_stop": on_stop})
    process = site.start()
    session = site.wait_for("session.running")["session"]

    assert site.end(process) == 0
    assert bool(tagged(session)) is (on_stop == "leave")


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


def test_without_a_supervisor_the_command_line_says_so_with_exit_code_3(site):
    site.configure(WAIT)
    done = site.run("status", code=3)
    assert "leasehold run" in done.stderr


def test_a_task_file_added_while_it_runs_is_started_without_being_told(site):
    site.configure(APPEND)
    (site.root / "tasks").mkdir()
    site.start()
    site.task("new-1", "src/new.txt")

    assert site.wait_for("session.ended")["task"] == "new-1"


def test_a_queued_task_is_on_disk_when_add_returns_and_survives_a_kill(site):
    site.configure(WAIT, supervisor={"pool": False})
    process = site.start()
    key = site.ask("task", "add", "Do it", "--path", "x")["id"]
    process.kill()
    process.wait()

    site.start()

    assert [task["id"] for task in site.ask("task", "list")["tasks"]] == [key]


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

    import select

    def sleeps() -> bool:
        before = switches()
        select.select([], [], [], 3.0)
        return switches() - before <= 1

    # At once, or when what the status request stirred got the processor.
    assert any(sleeps() for _ in range(10))


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
