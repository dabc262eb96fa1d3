"""Four long sessions, and a supervisor that is killed ten times in a row: they do not notice."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.fault.evidence import runs, sessions

pytestmark = [pytest.mark.fault, pytest.mark.process]

CODES = {"stays-a-0": 0, "stays-b-3": 3, "stays-c-4": 4, "stays-d-201": 201}
KILLS = 10


def test_a_supervisor_killed_ten_times_in_a_loop_changes_no_pid_no_lease_no_budget_and_no_exit_code(arena):
    arena.furnish(*CODES, sessions_at_once=4, retry={"attempts": 1}, **{"harness.agent": {"budget": "10m"}})
    process = arena.start()
    for task in CODES:
        arena.site.wait_for("session.running", task=task)
    arena.until(lambda: len(arena.evidence.lines("ready")) == len(CODES))
    began = {line["task"]: (line["pid"], line["start"]) for line in arena.evidence.lines("begin")}
    held = {(lease["scope"], lease["holder"]) for lease in arena.site.ask("lease", "list")["leases"]}
    slowest = elapsed = 0.0

    for _ in range(KILLS):
        process.kill()
        process.wait()
        assert all(runs(*who) for who in began.values())
        since = time.time()
        process = arena.start()
        slowest = max(slowest, arena.back(since))
        arena.until(lambda: all(session["pid"] for session in arena.site.ask("ps")["sessions"]))
        shown = arena.site.ask("ps")["sessions"]
        leases = arena.site.ask("lease", "list")["leases"]
        assert {session["task"]: session["pid"] for session in shown} == {
            task: pid for task, (pid, _) in began.items()
        }
        assert {(lease["scope"], lease["holder"]) for lease in leases} == held
        assert all(session["elapsed"] > elapsed for session in shown), "a budget began anew"
        elapsed = min(session["elapsed"] for session in shown)

    for task, (pid, _) in began.items():
        os.kill(pid, signal.SIGUSR1)
        arena.site.wait_for("session.ended", task=task)
    arena.site.end(process)
    codes = {row.task: row.ending["evidence"]["code"] for row in sessions(arena.site) if row.ending}
    assert codes == CODES
    arena.conclude("in a loop", "kill", kills=KILLS, back=slowest)
