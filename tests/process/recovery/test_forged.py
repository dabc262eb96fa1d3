"""What a session can forge, sockets, records and locks: a supervisor that comes back is not misled by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.process.cgroups import needs_cgroup
from tests.process.children.agents import WAIT
from tests.process.recovery.left import ending, folder, holding, killed, sessions, waiting

pytestmark = pytest.mark.process


def test_the_line_to_a_worker_is_made_again_when_it_breaks(site):
    session = waiting(site)["session"]
    (path,) = site.socket().parent.glob("workers/*.sock")
    supervisor = psutil.Process(site.running[-1].pid)
    away = path.with_suffix(".away")
    path.rename(away)
    cut(supervisor, path)
    site.until(lambda: "worker.unreachable" in site.log())
    away.rename(path)

    site.until(lambda: site.run("session", "extend", session, "1s", code=None).returncode == 0)


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
    running = waiting(site)
    killed(site)
    path = folder(site, running["session"]) / "worker.json"
    path.write_text(json.dumps(forge(json.loads(path.read_text()))))

    site.start()

    adopted = site.wait_for("session.adopted")
    assert adopted["data"]["worker_pid"] == running["data"]["worker_pid"]
    site.run("session", "stop", running["session"])
    assert site.wait_for("session.ended")["data"]["outcome"] == "stopped"


def test_promise_9_a_record_that_names_an_innocent_process_does_not_get_it_signalled(site):
    running = waiting(site, retry={"attempts": 1})
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
    running = waiting(site, retry={"attempts": 1})
    killed(site)
    os.kill(running["data"]["worker_pid"], signal.SIGKILL)
    (folder(site, running["session"]) / "exit.json").write_text(content)

    site.start()

    ended = site.wait_for("session.ended")
    assert ended["data"]["outcome"] == "lost"
    assert told in ended["data"]["sentence"]


def test_promise_14_a_lock_that_somebody_else_holds_keeps_a_session_undecided_and_status_says_so(site):
    running = waiting(site, retry={"attempts": 1})
    killed(site)
    os.kill(running["data"]["worker_pid"], signal.SIGKILL)
    lock = folder(site, running["session"]) / "lock"
    with holding(lock):
        site.start()

        why = site.ask("status")["unknown"][running["session"]]
        assert "not proven to be this session's worker" in why
        assert "unknown" in site.run("status").stdout
        assert sessions(site)["a"]["leases_held"] == 1

    assert site.wait_for("session.ended")["data"]["outcome"] == "lost"
