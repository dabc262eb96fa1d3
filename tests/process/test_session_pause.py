"""`session pause` and `session resume`, from the command line down to the processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.process.cgroups import needs_cgroup

pytestmark = pytest.mark.process

AGENT = """
    import os, sys, time
    os.fork()
    while True:
        time.sleep(0.001)
"""


@pytest.fixture(params=["sweep", pytest.param("cgroup", marks=needs_cgroup)])
def launcher(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def stands_still(site: Any, session: str, pids: list[int]) -> bool:
    worker = json.loads((site.root / f".leasehold/state/sessions/{session}/worker.json").read_text())
    if worker["cgroup"] is not None:
        return "frozen 1" in Path(worker["cgroup"], "tree/cgroup.events").read_text()
    states = {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}
    return states == {"T"}


def running(site: Any, launcher: str = "auto") -> dict[str, Any]:
    site.configure(
        AGENT, supervisor={"launcher": launcher}, harness={"budget": "5m", "warn": "5s", "grace": "1s"}
    )
    site.task("fix", "a.txt")
    site.start()
    session = site.wait_for("session.running")["session"]
    shown: dict[str, Any]
    [shown] = site.ask("ps")["sessions"]
    assert shown["id"] == session
    return shown


def test_a_paused_session_stands_still_and_keeps_its_leases_until_it_is_resumed(
    site: Any, tagged: Any, launcher: str
) -> None:
    session = running(site, launcher)["id"]
    site.until(lambda: len(tagged(session)) == 2)

    paused = site.run("session", "pause", "fix", "--why", "lunch").stdout

    assert paused.startswith(f"session {session} is paused by operator (lunch), ")
    assert stands_still(site, session, tagged(session))
    [shown] = site.ask("ps")["sessions"]
    assert (shown["state"], shown["leases_held"]) == ("paused", 1)
    [again] = site.ask("ps")["sessions"]
    assert (again["left"], again["elapsed"]) == (shown["left"], shown["elapsed"])
    assert " by operator: lunch\n" in site.run("session", "show", session).stdout
    refused = site.run("lease", "acquire", "a.txt", code=1).stderr
    assert (
        f"held by session {session} (task fix, worker pid {shown['worker_pid']}, paused by operator)"
        in refused
    )
    resumed = site.run("session", "resume", session).stdout
    assert resumed.startswith(f"session {session} is running, ")
    assert not stands_still(site, session, tagged(session))
    assert [event["kind"] for event in site.events("session.paused", "session.resumed")] == [
        "session.paused",
        "session.resumed",
    ]
    site.run("session", "kill", session)
    assert tagged(session) == []


def test_a_session_stays_paused_over_a_kill_of_the_supervisor(site: Any, tagged: Any, launcher: str) -> None:
    before = running(site, launcher)
    session = before["id"]
    site.run("session", "pause", session, "--why", "lunch")
    [paused] = site.ask("ps")["sessions"]
    site.end(site.running[-1], signal.SIGKILL)

    site.start()
    site.wait_for("session.paused", count=2)

    [shown] = site.ask("ps")["sessions"]
    assert (shown["state"], shown["pid"], shown["paused"]["why"]) == ("paused", before["pid"], "lunch")
    assert shown["left"] == pytest.approx(paused["left"], abs=0.2)
    assert stands_still(site, session, tagged(session))
    stopped = site.run("session", "stop", session).stdout
    assert f"session {session} stopped by operator after" in stopped
    assert "paused)" in stopped
    assert tagged(session) == []


def test_a_worker_killed_while_paused_takes_its_session_along(site: Any, tagged: Any, launcher: str) -> None:
    shown = running(site, launcher)
    site.run("session", "pause", shown["id"])

    os.kill(shown["worker_pid"], signal.SIGKILL)

    assert site.wait_for("session.ended")["data"]["outcome"] == "lost"
    assert tagged(shown["id"]) == []


def test_a_session_that_has_ended_is_not_paused(site: Any) -> None:
    session = running(site)["id"]
    site.run("session", "kill", session)

    assert f"session {session} has ended: killed" in site.run("session", "pause", session, code=1).stderr
    assert 'no session "nobody"' in site.run("session", "pause", "nobody", code=1).stderr
