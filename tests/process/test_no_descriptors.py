"""A supervisor that has no descriptor left: it neither dies nor spins, and goes on once it has some again."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process


def limit_to(process, spare: int) -> tuple[int, int]:
    """Leave the process `spare` descriptors; return its former limits."""
    used = max(int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()) + 1
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + spare, before[1]))
    return before


def test_the_supervisor_may_open_many_files_and_its_sessions_have_the_limits_that_it_began_with(site):
    site.task("a", "a.txt")
    site.configure("""
        import resource, signal
        print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
        signal.pause()
    """)
    few = 1000
    log = (site.root / ".leasehold/supervisor.log").open("a")
    process = subprocess.Popen(
        ["prlimit", f"--nofile={few}:", *site.command("run")],
        cwd=site.root,
        env=site.environ,
        text=True,
        stderr=log,
        stdout=log,
    )
    log.close()
    site.running.append(process)

    session = site.wait_for("session.running")["session"]

    hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[1]
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == min(65_536, hard)
    out = site.root / f".leasehold/state/sessions/{session}/out.log"
    site.until(lambda: out.read_text() == f"{few}\n")


def processor_seconds(process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("spare", [1, 3, 6])
def test_without_descriptors_starts_fail_cleanly_and_are_tried_again(site, spare):
    """Signals need no descriptor: they open the gate while none is left."""
    site.configure(WAIT, retry={"backoff": "200ms", "backoff_max": "1s"})
    process = site.start()
    site.run("drain")
    for key in "ab":
        site.task(key, f"{key}.txt")
    site.wait_for("source.changed", tasks=2)
    before = limit_to(process, spare)

    process.send_signal(signal.SIGUSR2)
    site.until(lambda: bool(site.events("session.ended", "session.running")), process)

    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    site.wait_for("session.running", task="a")
    site.wait_for("session.running", task="b")
    ended = site.events("session.ended")
    assert {event["data"]["outcome"] for event in ended} <= {"unspawned"}
    assert {event["data"]["evidence"]["cause"] for event in ended} <= {"unlaunched"}


def test_clients_that_find_no_descriptor_wait_and_nobody_spins(site):
    site.configure(WAIT)
    process = site.start()
    before = limit_to(process, 2)
    clients = []
    for _ in range(8):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(site.socket()))
        clients.append(client)
    site.until(lambda: "no client can be let in" in site.log(), process)
    used = processor_seconds(process)
    site.until(lambda: site.log().count("no client can be let in") >= 3, process)

    assert processor_seconds(process) - used < 0.5
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    for client in clients:
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n')
    for client in clients:
        client.settimeout(60)
        assert b'"result"' in client.recv(1 << 16)
        client.close()
