"""When the world is in the way: full disks, hostile harnesses, garbage in every input. The supervisor stays up."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process

COMMIT = """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    name = os.environ["LEASEHOLD_TASK"] + ".txt"
    pathlib.Path(name).write_text("done")
    subprocess.run(["git", "add", name], check=True)
    subprocess.run(["git", "commit", "-qm", "Do it", "--", name], check=True)
"""


@pytest.fixture
def small_disk(site):
    """Put the state directory on a file system of four megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    state = site.root / ".leasehold/state"
    state.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "leasehold-test", str(state)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield state
    for process in site.running:
        if process.poll() is None:
            process.kill()
            process.wait()
    subprocess.run(["umount", "-l", str(state)], check=True)


def fill_up(disk):
    """Leave no room on a disk; return the file to remove."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                file.write(b"x" * 65536)
                file.flush()
            except OSError:
                return filler


def test_a_full_disk_pauses_the_supervisor_and_nothing_recorded_is_lost(site, small_disk):
    site.configure(WAIT, supervisor={"disk_floor": "0B"})
    site.start()
    filler = fill_up(small_disk)

    added = site.run("task", "add", "Do it", "--path", "x", code=1)
    status = site.ask("status")

    assert "could not be stored" in added.stderr
    assert "disk is full" in status["journal_failure"]
    assert status["admission"] == "paused"
    filler.unlink()
    event = site.wait_for("supervisor.admission", now="open")
    assert event["data"]["by"] == "journal"
    assert site.ask("status")["journal_failure"] is None
    assert site.ask("task", "list")["tasks"] == []  # refused is refused, also after the disk has room
    again = site.ask("task", "add", "Do it", "--path", "x")
    assert site.wait_for("session.running")["task"] == again["id"]


def test_below_the_floor_nothing_starts_and_running_sessions_go_on(site, small_disk):
    site.configure(WAIT, supervisor={"disk_floor": "2MiB", "max_sessions": 2})
    site.task("a", "a.txt")
    site.start()
    running = site.wait_for("session.running")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (3 << 20))

    site.task("b", "b.txt")

    low = site.wait_for("disk.low")
    assert low["data"]["why"].startswith(f"{small_disk} has ")
    assert "supervisor.disk_floor is 2MiB" in site.run("explain", "b").stdout
    assert "DISK " in site.run("status").stdout
    refused = site.run("launch", "--task", "b", code=1)
    assert "supervisor.disk_floor is 2MiB; free space there" in refused.stderr
    filler.unlink()
    site.run("session", "stop", running["session"])
    assert site.wait_for("session.running", task="b")
    assert len(site.events("disk.low")) == len(site.events("disk.freed")) == 1


def test_intents_that_a_full_disk_does_not_take_start_nothing_and_blame_nobody(site, small_disk):
    site.configure(WAIT, supervisor={"disk_floor": "0B", "max_sessions": 4})
    site.start()
    filler = fill_up(small_disk)

    for key in "abcd":
        site.task(key, f"{key}.txt")
    site.wait_for("supervisor.admission", now="paused")
    assert "resumes by itself" in site.run("resume", code=1).stderr
    filler.unlink()

    site.wait_for("session.running", count=4)
    ended = site.events("session.ended")
    assert {event["data"]["outcome"] for event in ended} <= {"unspawned"}
    assert not site.events("harness.resting")
    started = [session["task"] for session in site.ask("session", "list")["sessions"]]
    assert sorted(started) == list("abcd")


def test_a_harness_that_does_not_exist_or_exits_at_once_or_floods_is_an_ending_not_a_crash(site):
    for key in ("nothing", "quick", "flood", "good"):
        site.task(key, f"{key}.txt", harness="agent" if key == "good" else key)
    site.configure(COMMIT, retry={"attempts": 1, "intensity": 50})
    config = site.root / ".leasehold/config.toml"
    flood = "import sys; [sys.stdout.write('x' * 1023 + chr(10)) for _ in range(20000)]"
    config.write_text(
        config.read_text()
        + '[harness.nothing]\ncommand = ["/no/such/program"]\n'
        + '[harness.quick]\ncommand = ["false"]\n'
        + f'[harness.flood]\ncommand = {json.dumps([sys.executable, "-c", flood])}\nlog_limit = "1MiB"\n'
    )

    site.until_idle(code=1)

    ended = {event["task"]: event["data"] for event in site.events("session.ended")}
    assert {task: data["outcome"] for task, data in ended.items()} == {
        "nothing": "unspawned",
        "quick": "failed",
        "flood": "no_change",
        "good": "finished",
    }
    assert "/no/such/program" in ended["nothing"]["sentence"]
    log = ended["flood"]["evidence"]["log"]["out"]
    assert log["bytes"] > 20_000_000
    assert log["bytes"] - log["dropped"] < 8_000_000


def test_a_broken_task_file_is_refused_by_name_and_the_others_run(site):
    site.task("good", "good.txt")
    site.write("tasks/bad.md", "---\nstate: [unclosed\n---\n# Bad\n")
    site.write("tasks/out.md", "---\npaths: [../../etc/passwd]\n---\n# Outside\n")
    site.write("tasks/loop.md", "---\nrequires: [loop]\n---\n# Loop\n")
    site.configure(COMMIT)

    site.until_idle(code=1)

    problems = " ".join(event["data"]["problem"] for event in site.events("source.problem"))
    assert "tasks/bad.md" in problems
    assert "tasks/out.md" in problems
    assert "outside the repository" in problems or "leaves the repository" in problems
    assert "dependency cycle loop -> loop" in problems
    assert [event["task"] for event in site.events("session.ended")] == ["good"]


@pytest.mark.parametrize(
    ("program", "timeout", "said"),
    [
        ("import time; time.sleep(1000)", "1s", "did not finish within 1s"),
        ("print('not json')", "1m", "JSON"),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", "1m", "printed more"),
        ("raise SystemExit(3)", "1m", "exit code 3"),
    ],
)
def test_a_command_source_that_misbehaves_is_one_problem_and_the_rest_goes_on(site, program, timeout, said):
    site.task("good", "good.txt")
    site.configure(COMMIT)
    config = site.root / ".leasehold/config.toml"
    command = json.dumps([sys.executable, "-c", program])
    config.write_text(
        config.read_text()
        + f'[sources.other]\nkind = "command"\ncommand = {command}\ntimeout = "{timeout}"\n'
    )

    site.until_idle()

    problems = [e["data"]["problem"] for e in site.events("source.problem") if e["data"]["source"] == "other"]
    assert len(problems) == 1
    assert said in problems[0]
    assert [event["data"]["outcome"] for event in site.events("session.ended")] == ["finished"]


def test_garbage_on_the_socket_is_answered_and_the_supervisor_stays_up(site):
    site.configure(WAIT)
    site.start()
    for garbage in (
        b"\x00\xff\n",
        b"{\n",
        b"[]\n",
        b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n',
        b"x" * (2 << 20),
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(site.socket()))
            try:
                client.sendall(garbage)
                answer = client.recv(65536)
            except (BrokenPipeError, ConnectionResetError):
                answer = b"error"
            assert b"error" in answer

    assert site.ask("status")["admission"] == "open"


@pytest.mark.parametrize("damage", ["truncated", "newer"])
def test_a_journal_that_cannot_be_used_is_one_line_and_exit_code_1(site, damage):
    site.configure(COMMIT)
    site.task("a", "a.txt")
    site.until_idle()
    path = site.root / ".leasehold/state/journal.db"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
        for end in ("-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()

    done = site.run("run", "--until-idle", code=1)

    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_repository_that_vanished_is_one_line_and_exit_code_1(site):
    site.configure(COMMIT)
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text().replace('path = "."', 'path = "gone"'))

    done = site.run("run", code=1)

    assert "gone" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_level_that_does_not_hold_here_is_refused_at_the_start_with_the_reason(site):
    site.configure(COMMIT, leases={"required_level": "kernel"}, guard={"mode": "off"})

    done = site.run("run", code=1)

    assert "required_level is kernel" in done.stderr
    assert "leasehold doctor" in done.stderr


def test_a_worker_killed_by_force_is_lost_its_tree_goes_and_the_task_is_tried_again(site, tagged):
    site.task("a", "x")
    site.configure(
        """
        import subprocess, sys, signal
        subprocess.Popen([sys.executable, "-c", "import os, signal; os.setsid(); signal.pause()"])
        print("up", flush=True)
        signal.pause()
        """,
        retry={"backoff": "10ms", "backoff_max": "10ms"},
    )
    site.start()
    site.wait_for("session.running")
    session = site.ask("ps")["sessions"][0]

    os.kill(session["worker_pid"], 9)
    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "lost"
    assert tagged(session["id"]) == []
    assert site.wait_for("session.running", count=2)["task"] == "a"


def test_a_control_socket_that_somebody_removed_is_made_again(site):
    site.configure(WAIT)
    site.start()
    for _ in range(2):
        site.socket().unlink()
        site.until(lambda: site.socket().exists())

        assert site.ask("status")["admission"] == "open"

    assert "control.socket_removed" in site.log()


def test_a_session_whose_folder_was_removed_still_ends_as_it_did(site):
    site.task("a", "a.txt")
    site.configure(
        """
        import os, pathlib, shutil, subprocess
        pathlib.Path("a.txt").write_text("done")
        subprocess.run(["git", "add", "a.txt"], check=True)
        subprocess.run(["git", "commit", "-qm", "Do it", "--", "a.txt"], check=True)
        shutil.rmtree(pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parent)
        """
    )
    site.start()

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "finished"
    assert ended["data"]["evidence"]["code"] == 0


def test_a_damaged_journal_is_moved_aside_on_demand_but_not_over_living_sessions(site):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    session = site.wait_for("session.running")["session"]
    worker = site.ask("ps")["sessions"][0]["worker_pid"]
    process.kill()
    process.wait()
    path = site.root / ".leasehold/state/journal.db"
    path.write_bytes(path.read_bytes()[:5000])
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    assert "leasehold run --recover" in site.run("run", code=1).stderr

    refused = site.run("run", "--recover", code=1)

    assert f"{session} (worker pid {worker})" in refused.stderr
    os.kill(worker, 15)
    site.until(lambda: not Path(f"/proc/{worker}").exists())
    (site.root / "tasks/a.md").unlink()
    done = site.run("run", "--recover", "--until-idle")
    assert "was damaged" in done.stderr
    assert list(path.parent.glob("journal.db.corrupt-*"))


def test_a_lane_that_nobody_knows_cannot_be_resumed(site):
    site.task("a", "x", category="docs", state="blocked")
    site.configure(COMMIT)
    site.start()

    done = site.run("resume", "--lane", "dosc", code=1)

    assert 'no lane "dosc"' in done.stderr
    assert len(done.stderr.splitlines()) == 1
