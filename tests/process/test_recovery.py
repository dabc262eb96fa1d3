"""A supervisor comes back to whatever was left: sessions that live, that ended, that never began, and forged records."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.world.launch.records import lock_is_held
from tests.process.cgroups import needs_cgroup

pytestmark = pytest.mark.process

WAIT = """
    import signal
    print("up", flush=True)
    signal.pause()
"""
UNTIL_TOLD = """
    import os, sys, time
    print("up", flush=True)
    path = os.path.join(os.environ["LEASEHOLD_REPO"], ".leasehold", os.environ["LEASEHOLD_TASK"])
    while not os.path.exists(path):
        time.sleep(0.02)
    sys.exit(int(open(path).read()))
"""


def killed(site):
    """Kill the supervisor that was started last."""
    site.running[-1].kill()
    site.running[-1].wait()


def sessions(site):
    return {session["task"]: session for session in site.ask("ps")["sessions"]}


@contextlib.contextmanager
def ending(process):
    """End a process with the block, whatever becomes of it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def folder(site, session):
    return site.root / ".leasehold/state/sessions" / session


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
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    log = folder(site, session) / "err.log"
    log.unlink()

    said = site.run("session", "logs", "--err", "a", code=1).stderr

    assert said == f"Error: {log}: there is no such log; it was removed, or not begun yet\n"


def test_a_budget_that_was_extended_is_still_extended_after_a_kill(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    site.run("session", "extend", session, "100s")
    killed(site)

    site.start()

    site.until(lambda: sessions(site)["a"]["budget"] == 400.0)


def test_a_session_whose_worker_has_not_reported_yet_is_recovering_not_starting(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    worker = site.wait_for("session.running")["data"]["worker_pid"]
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


@pytest.fixture
def sockets_near(site) -> Iterator[None]:
    """Let the sockets of this site have addresses that fit into 107 bytes, however deep the test's folder is."""
    runtime = tempfile.mkdtemp(prefix="lh-")
    site.environ["XDG_RUNTIME_DIR"] = runtime
    yield
    shutil.rmtree(runtime)


@pytest.mark.usefixtures("sockets_near")
def test_the_line_to_a_worker_is_made_again_when_it_breaks(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    (path,) = site.socket().parent.glob("workers/*.sock")
    supervisor = psutil.Process(site.running[-1].pid)
    away = path.with_suffix(".away")
    path.rename(away)
    cut(supervisor, path)
    site.until(lambda: "worker.unreachable" in site.log())
    away.rename(path)

    site.until(lambda: site.run("session", "extend", session, "1s", code=None).returncode == 0)


@pytest.mark.usefixtures("sockets_near")
def test_promise_9_a_socket_that_a_session_put_in_the_place_of_its_workers_is_not_believed(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    site.configure(WAIT)
    site.start()
    running = site.wait_for("session.running", task="a")
    site.wait_for("session.running", task="b")
    killed(site)
    (path,) = site.socket().parent.glob(f"workers/{running['session']}.sock")
    path.unlink()
    lease = {"scope": {"kind": "file", "repo": "site", "parts": ["c.txt"]}, "mode": "exclusive"}
    hello = {"event": "hello", "state": "running", "leases": [lease], "extended": 1e6, "paused_for": 0}
    liar = f"""
import os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind({str(path)!r})
listener.listen()
print(flush=True)
while True:
    line, _ = listener.accept()
    line.sendall({json.dumps(hello).encode()!r} + b"\\n")
"""
    with ending(subprocess.Popen([sys.executable, "-c", liar], stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        site.start()
        site.until(lambda: f"pid {process.pid} answers there, and is not its worker" in site.log())

        assert sessions(site)["a"]["budget"] == sessions(site)["b"]["budget"]
        site.run("session", "stop", "a")
        assert site.wait_for("session.ended", task="a")["data"]["outcome"] == "stopped"


@pytest.mark.parametrize("launcher", ["sweep", pytest.param("cgroup", marks=needs_cgroup)])
def test_promise_4_a_session_that_forges_its_record_and_kills_its_worker_leaves_nothing_behind(
    site, tagged, launcher
):
    site.task("a", "a.txt")
    site.configure(
        """
        import json, os, signal, subprocess, sys, time
        folder = os.path.dirname(os.environ["LEASEHOLD_NOTICE"])
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.pause()
            os._exit(0)
        record = {"schema": 1, "cause": "exited", "code": 0, "survivors": [], "session": os.environ["LEASEHOLD_SESSION"]}
        with open(folder + "/exit.json", "w") as file:
            json.dump(record, file)
        with open(folder + "/spec.json") as file:
            spec = json.load(file) | {"rung": "sweep", "cgroup": "/sys/fs/cgroup/leasehold-x/" + record["session"]}
        with open(folder + "/spec.json", "w") as file:
            json.dump(spec, file)
        os.kill(os.getppid(), signal.SIGKILL)
        """,
        supervisor={"launcher": launcher},
        retry={"attempts": 1},
    )
    site.start()

    ended = site.wait_for("session.ended")

    assert tagged(ended["session"]) == []


def cut(supervisor, path):
    """Break a supervisor's connection to a worker, as a fault of the system would."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(supervisor.pid)
    try:
        for entry in os.scandir(f"/proc/{supervisor.pid}/fd"):
            number = int(entry.name)
            taken = libc.syscall(438, pidfd, number, 0)  # pidfd_getfd
            if taken < 0:
                continue
            import socket

            try:
                with socket.socket(fileno=taken) as line:
                    if line.family == socket.AF_UNIX and line.getpeername() == str(path):
                        line.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
    finally:
        os.close(pidfd)


@pytest.mark.parametrize(
    "forge",
    [
        lambda record: record | {"pid": os.getpid()},
        lambda record: record | {"pid": os.getpid(), "start_ticks": 1},
        lambda record: record | {"session": "another"},
        lambda record: record | {"boot_id": "of another boot"},
        lambda record: record | {"pid": -1},
        lambda record: record | {"pid": 1e400},
        lambda record: [record],
        lambda _record: "garbage",
    ],
)
def test_promise_9_a_forged_record_of_a_living_worker_misleads_nobody(site, forge):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    running = site.wait_for("session.running")
    killed(site)
    path = folder(site, running["session"]) / "worker.json"
    path.write_text(json.dumps(forge(json.loads(path.read_text()))))

    site.start()

    adopted = site.wait_for("session.adopted")
    assert adopted["data"]["worker_pid"] == running["data"]["worker_pid"]
    site.run("session", "stop", running["session"])
    assert site.wait_for("session.ended")["data"]["outcome"] == "stopped"


def test_promise_9_a_record_that_names_an_innocent_process_does_not_get_it_signalled(site):
    site.task("a", "a.txt")
    site.configure(WAIT, retry={"attempts": 1})
    site.start()
    running = site.wait_for("session.running")
    killed(site)
    os.kill(running["data"]["worker_pid"], signal.SIGKILL)
    with ending(subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])) as innocent:
        path = folder(site, running["session"]) / "worker.json"
        record = json.loads(path.read_text())
        record |= {"pid": innocent.pid, "start_ticks": int(psutil_ticks(innocent.pid))}
        record["harness"] |= {"pid": innocent.pid, "start_ticks": record["start_ticks"]}
        path.write_text(json.dumps(record))

        site.start()

        ended = site.wait_for("session.ended")
        assert ended["data"]["outcome"] == "lost"
        assert "belongs to another program now" in ended["data"]["sentence"]
        assert innocent.poll() is None


def psutil_ticks(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"schema": 1, "cause": "exited", "code"', "the worker ended, and its exit record cannot be used"),
        ('{"session": "another", "cause": "exited", "code": 0}', "exit record in its folder is another session's"),
        ('{"cause": "exited", "code": "zero"}', "the worker ended, and its exit record cannot be used"),
    ],
)  # fmt: skip
def test_a_torn_or_forged_exit_record_is_not_believed(site, content, told):
    site.task("a", "a.txt")
    site.configure(WAIT, retry={"attempts": 1})
    site.start()
    running = site.wait_for("session.running")
    killed(site)
    os.kill(running["data"]["worker_pid"], signal.SIGKILL)
    (folder(site, running["session"]) / "exit.json").write_text(content)

    site.start()

    ended = site.wait_for("session.ended")
    assert ended["data"]["outcome"] == "lost"
    assert told in ended["data"]["sentence"]


def test_promise_14_a_lock_that_somebody_else_holds_keeps_a_session_undecided_and_status_says_so(site):
    site.task("a", "a.txt")
    site.configure(WAIT, retry={"attempts": 1})
    site.start()
    running = site.wait_for("session.running")
    killed(site)
    os.kill(running["data"]["worker_pid"], signal.SIGKILL)
    lock = folder(site, running["session"]) / "lock"
    holder = f"import fcntl, signal; f = open({str(lock)!r}); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); signal.pause()"
    with ending(subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        site.start()

        why = site.ask("status")["unknown"][running["session"]]
        assert "not proven to be this session's worker" in why
        assert "unknown" in site.run("status").stdout
        assert sessions(site)["a"]["leases_held"] == 1

    assert site.wait_for("session.ended")["data"]["outcome"] == "lost"


def test_promise_14_a_worker_whose_folder_was_removed_is_found_and_taken_over(site):
    import shutil

    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    running = site.wait_for("session.running")
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
    site.environ["LEASEHOLD_FAILPOINTS"] = f"{point}=kill"
    first = subprocess.Popen(site.command("run"), cwd=site.root, env=site.environ, stderr=subprocess.DEVNULL)
    site.running.append(first)
    assert first.wait(60) == -signal.SIGKILL
    del site.environ["LEASEHOLD_FAILPOINTS"]

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
    site.environ["LEASEHOLD_FAILPOINTS"] = "launch.forked=kill"
    first = subprocess.Popen(site.command("run"), cwd=site.root, env=site.environ, stderr=subprocess.DEVNULL)
    site.running.append(first)
    assert first.wait(60) == -signal.SIGKILL
    del site.environ["LEASEHOLD_FAILPOINTS"]

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


def test_a_second_supervisor_is_refused_and_told_of_the_first_whatever_its_runtime_directory(site, tmp_path):
    site.configure(WAIT)
    first = site.start()
    elsewhere = tmp_path / "e"
    elsewhere.mkdir(mode=0o700)

    second = site.run("run", code=1, XDG_RUNTIME_DIR=str(elsewhere))

    (line,) = second.stderr.splitlines()
    assert f"belongs to process {first.pid}, a running supervisor since " in line
    assert f"that answers at {site.socket()}; stop that one" in line
    assert site.ask("status")["pid"] == first.pid


def test_a_state_directory_that_vanishes_starts_nothing_new_and_its_sessions_go_on(site):
    site.task("a", "a.txt")
    site.configure(WAIT, supervisor={"max_sessions": 2})
    site.start()
    running = site.wait_for("session.running")
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


def forgotten(site):
    """Start a session, kill its supervisor, remove the journal, and start anew."""
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    running = site.wait_for("session.running")
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
    holder = f"import fcntl, signal; f = open({str(lock)!r}); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); signal.pause()"
    with ending(subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        site.start()
        site.wait_for("session.stray")

        refused = site.run("session", "kill", session, code=1).stderr

        assert "not proven to be this session's worker" in refused
        assert process.poll() is None


def stopped(pid):
    """Stop a process, and return once it stands still."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "T":
        time.sleep(0.001)


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_session_whose_worker_was_stopped_is_ended_all_the_same(site, verb):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    running = site.wait_for("session.running")
    stopped(running["data"]["worker_pid"])

    said = site.run("session", verb, "a").stdout  # bounded

    assert f" {verb}ped" in said or f" {verb}ed" in said
    note = site.wait_for("worker.stood_still")
    assert (note["data"]["worker_pid"], note["data"]["done"]) == (running["data"]["worker_pid"], "let go on")


@needs_cgroup
def test_a_session_whose_cgroup_somebody_froze_is_killed_all_the_same(site, tagged):
    site.task("a", "a.txt")
    site.configure(WAIT, supervisor={"launcher": "cgroup"})
    site.start()
    session = site.wait_for("session.running")["session"]
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
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    worker = site.wait_for("session.running")["data"]["worker_pid"]
    stopped(worker)

    refused = site.run("session", "extend", "a", "5s", code=75).stderr

    assert f"its worker, pid {worker}, did not answer within 10 s: it was stopped by a signal" in refused
    os.kill(worker, signal.SIGCONT)
    site.wait_for("session.extended")
    assert sessions(site)["a"]["budget"] == 305.0


def test_a_worker_that_is_stopped_again_and_again_is_killed_and_its_task_stays_held(site, tagged):
    site.task("a", "a.txt")
    site.configure(WAIT, harness={"grace": "0s"})
    site.start()
    running = site.wait_for("session.running")
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
