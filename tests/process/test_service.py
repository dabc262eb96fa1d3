"""The supervisor as a service: started the way systemd does it, by a test that is the service manager."""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process

LIMIT = 60.0  # seconds
# Descriptors go to 3 and up, and the variables name the process that will be the supervisor.
START = """
import fcntl, json, os, sys
fds, environ, argv = json.loads(sys.argv[1])
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.update(environ, LISTEN_PID=str(os.getpid()), WATCHDOG_PID=str(os.getpid()))
os.execv(argv[0], argv)
"""


@dataclass
class Told:
    """One message of the service, and the descriptor that came with it."""

    lines: dict[str, str]
    fd: int | None


@dataclass
class Manager:
    """A service manager with one service: it listens for it, hands over what it keeps, and hears what it says."""

    site: Any
    notify: socket.socket
    control: socket.socket
    kept: dict[str, int] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[str]:
        """Start the service and return once it says that it is ready."""
        process = self.spawn()
        self.hear(lambda lines: "READY" in lines)
        return process

    def spawn(self) -> subprocess.Popen[str]:
        """Start the service."""
        site = self.site
        fds = [self.control.fileno(), *self.kept.values()]
        environ = {
            "NOTIFY_SOCKET": self.notify.getsockname(),
            "LISTEN_FDS": str(len(fds)),
            "LISTEN_FDNAMES": ":".join(["ctl", *self.kept]),
            **self.environ,
        }
        log = (site.root / ".leasehold/supervisor.log").open("a")
        process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps([fds, environ, site.command("run")])],
            cwd=site.root,
            env=site.environ,
            pass_fds=fds,
            text=True,
            stderr=log,
            stdout=log,
        )
        log.close()
        site.running.append(process)
        return process

    def hear(self, wanted: Callable[[Mapping[str, str]], bool]) -> dict[str, str]:
        """Return the next message that is wanted; keep, forget and close what those on the way ask for."""
        while True:
            data, ancillary, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(16))
            lines = dict(line.split("=", 1) for line in data.decode().splitlines())
            fds = [fd for _, _, rights in ancillary for fd in array.array("i", rights)]
            if "FDSTORE" in lines:
                self.kept[lines["FDNAME"]] = fds.pop()
            if "FDSTOREREMOVE" in lines:
                os.close(self.kept.pop(lines["FDNAME"]))
            for fd in fds:
                os.close(fd)  # of a barrier: everything before is heard
            if wanted(lines):
                return lines


@pytest.fixture
def manager(site) -> Iterator[Manager]:
    site.configure(WAIT)
    path: Path = site.socket()
    path.parent.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, socket.socket(socket.AF_UNIX) as control:
        notify.bind(str(site.root / ".notify"))
        notify.settimeout(LIMIT)
        control.bind(str(path))
        control.listen()
        made = Manager(site, notify, control)
        yield made
        for fd in made.kept.values():
            os.close(fd)


def test_it_is_ready_when_it_answers_on_the_socket_that_it_was_handed(site, manager):
    process = manager.start()

    assert site.ask("status")["pid"] == process.pid
    assert site.end(process) == 0
    assert site.socket().exists()  # it is not ours to remove
    assert not Path(f"{site.socket()}.lock").exists()


def test_its_status_says_what_runs_and_which_signal_was_answered_last(site, manager):
    process = manager.start()
    site.run("task", "add", "One thing")
    manager.hear(lambda lines: lines.get("STATUS", "").startswith("1 running, 0 ready, 0 parked"))
    process.send_signal(signal.SIGUSR1)

    assert manager.hear(lambda lines: "SIGUSR1 (generation 1)" in lines.get("STATUS", ""))


def test_a_reload_begins_and_is_over_before_its_caller_is_answered(site, manager):
    manager.start()
    site.run("reload")
    manager.notify.setblocking(False)

    assert manager.hear(lambda lines: "RELOADING" in lines)["MONOTONIC_USEC"].isdigit()
    assert manager.hear(lambda lines: "READY" in lines)


def test_a_refused_reload_fails_for_its_caller_and_the_service_is_ready_again(site, manager):
    manager.start()
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + "nonsense = 1\n")
    site.run("reload", code=1)
    manager.notify.setblocking(False)
    manager.hear(lambda lines: "RELOADING" in lines)

    assert manager.hear(lambda lines: "READY" in lines)


def test_the_watchdog_is_fed_by_the_loop_and_goes_hungry_when_that_stands_still(site, manager):
    manager.environ["WATCHDOG_USEC"] = "300000"
    process = manager.start()
    for _ in range(3):
        manager.hear(lambda lines: "WATCHDOG" in lines)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    manager.notify.settimeout(0.6)  # two intervals of the watchdog
    with contextlib.suppress(TimeoutError):
        while True:  # what was sent before it stood still
            manager.hear(lambda lines: "WATCHDOG" in lines)
    with pytest.raises(TimeoutError):
        manager.hear(lambda lines: "WATCHDOG" in lines)
    manager.notify.settimeout(LIMIT)
    process.send_signal(signal.SIGCONT)

    assert manager.hear(lambda lines: "WATCHDOG" in lines)


def test_without_a_watchdog_an_idle_supervisor_says_nothing(site, manager):
    manager.start()
    manager.notify.settimeout(1.0)

    with pytest.raises(TimeoutError):
        manager.hear(lambda _lines: True)


def test_the_signal_of_a_restart_leaves_sessions_whatever_on_stop_says(site, manager):
    site.task("a", "a.txt")
    site.configure(WAIT, supervisor={"on_stop": "stop"})
    process = manager.start()
    running = site.wait_for("session.running")
    process.send_signal(signal.SIGRTMIN)

    assert manager.hear(lambda lines: "STOPPING" in lines)["STATUS"] == "stopped; 1 sessions go on"
    manager.hear(lambda lines: "BARRIER" in lines)
    assert process.wait(LIMIT) == 0
    os.kill(running["data"]["pid"], 0)  # it lives


def test_the_manager_keeps_a_pidfd_of_each_worker_for_the_next_start_and_drops_it_at_the_end(site, manager):
    from supervisor.world.systemd.listen import pid_of

    site.task("a", "a.txt")
    first = manager.start()
    running = site.wait_for("session.running")
    session, worker = running["session"], running["data"]["worker_pid"]
    if session not in manager.kept:
        manager.hear(lambda lines: "FDSTORE" in lines)
    assert pid_of(manager.kept[session]) == worker
    first.kill()
    first.wait()
    manager.spawn()
    first_said = manager.hear(lambda lines: "FDSTORE" in lines or "READY" in lines)

    assert "READY" in first_said  # it has it from the last start
    assert [shown["worker_pid"] for shown in site.ask("session", "list")["sessions"]] == [worker]
    site.run("session", "stop", session)
    if session in manager.kept:
        assert manager.hear(lambda lines: "FDSTOREREMOVE" in lines)["FDNAME"] == session


def test_a_start_that_fails_says_why_and_does_not_end_at_once(site, manager):
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text() + "nonsense = 1\n")
    process = manager.spawn()
    said = manager.hear(lambda lines: "STATUS" in lines)["STATUS"]

    assert said.startswith("cannot run: ")
    assert 'unknown key "nonsense"' in said
    assert process.poll() is None
    assert site.end(process) == -signal.SIGTERM


def test_sessions_and_their_programs_see_nothing_of_the_service_manager(site, manager):
    site.task("a", "a.txt")
    site.configure("""
        import os, signal
        names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
        print([name for name in names if name in os.environ], sorted(os.listdir("/proc/self/fd")), flush=True)
        signal.pause()
    """)
    manager.environ["WATCHDOG_USEC"] = "60000000"
    manager.start()
    session = site.wait_for("session.running")["session"]
    out = site.root / f".leasehold/state/sessions/{session}/out.log"
    site.until(lambda: out.exists() and out.read_text().endswith("\n"))

    assert out.read_text().startswith("[] ")
