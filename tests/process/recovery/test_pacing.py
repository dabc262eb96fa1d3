"""What paces the starts survives a supervisor that is killed: nothing speeds up because it died."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from supervisor.world.journal import Journal, PacingRow
from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process

FAIL = "raise SystemExit(1)\n"


def again(site, process):
    """Kill the supervisor and start the next one."""
    process.kill()
    process.wait()
    return site.start()


def test_a_drain_lasts_through_a_kill_until_somebody_resumes(site):
    site.configure(WAIT)
    first = site.start()
    site.run("drain")

    second = again(site, first)

    assert site.ask("status")["admission"] == "draining"
    site.run("resume")
    again(site, second)
    assert site.ask("status")["admission"] == "open"


def test_a_supervisor_that_drained_because_it_was_to_end_is_open_when_it_starts_again(site):
    site.configure(WAIT)
    site.task("a", "a.txt")
    first = site.start()
    site.wait_for("session.running")
    first.send_signal(signal.SIGINT)
    site.wait_for("supervisor.signal", signal="SIGINT")
    refused = site.run("resume", code=1)

    again(site, first)

    assert "the supervisor is ending (SIGINT)" in refused.stderr
    assert site.ask("status")["admission"] == "open"


def test_a_paused_lane_a_resting_harness_and_the_account_survive_a_kill(site):
    site.configure(FAIL, retry={"attempts": 9, "backoff": "0s", "intensity": 2, "window": "1h"})
    site.task("a", "a.txt", category="red")
    site.task("b", "b.txt", category="blue")
    first = site.start()
    site.wait_for("lane.paused", lane="red")
    site.wait_for("lane.paused", lane="blue")
    site.run("resume", "--lane", "blue")
    site.run("pause", "--lane", "blue", "--why", "looking")
    site.run("lease", "acquire", "docs/", "resource:port-1")
    site.run("reprioritize")
    before = site.ask("status")

    again(site, first)

    after = site.ask("status")
    assert before["lanes_paused"] == {"red": "paused", "blue": "held"}
    for kept in ("lanes_paused", "ranking", "collisions", "leases"):
        assert after[kept] == before[kept]
    assert "paused by operator (looking)" in site.run("explain", "b").stdout
    assert "is yours" in site.run("lease", "acquire", "docs/").stdout
    assert not site.events("lease.refused")


def test_an_operators_lease_keeps_its_age_and_ends_for_good_when_it_is_released(site):
    site.configure(WAIT)
    first = site.start()
    site.run("lease", "acquire", "docs/", "src/")
    granted = {lease["scope"]: lease for lease in site.ask("lease", "list")["leases"]}
    site.run("lease", "release", "src/")

    second = again(site, first)

    (kept,) = site.ask("lease", "list")["leases"]
    assert (kept["scope"], kept["holder"]) == ("docs/", "operator")
    assert kept["token"] == granted["docs/"]["token"]
    assert kept["age"] >= granted["docs/"]["age"]
    site.run("lease", "release", "--all")
    again(site, second)
    assert site.ask("lease", "list")["leases"] == []


def test_a_lease_that_an_operator_had_given_back_gives_way_to_the_session_that_got_it(site):
    """The supervisor died after the session was told of its lease and before the release was on disk."""
    site.task("a", "a.txt")
    site.configure(
        f"""
        import signal, subprocess
        verb = [{json.dumps(str(site.command()[0]))}, "-m", "supervisor.cli.main", "lease", "acquire", "docs/x"]
        subprocess.run(verb, check=True)
        print("it holds docs/x", flush=True)
        signal.pause()
        """,
        harness={"env": {"PYTHONPATH": site.environ["PYTHONPATH"]}},
    )
    first = site.start()
    session = site.wait_for("lease.granted")["session"]
    log = site.root / f".leasehold/state/sessions/{session}/out.log"
    site.until(lambda: "it holds docs/x" in log.read_text())  # its worker was told before it was
    first.kill()
    first.wait()
    kept = {
        "holder": "operator",
        "scope": {"kind": "tree", "repo": "site", "text": "docs/", "key": "docs"},
        "mode": "exclusive",
        "token": 0,
        "granted_at": 0.0,
    }
    with Journal.open(site.root / ".leasehold/state", on_failure=print) as journal:
        row = PacingRow("operator", "", [{"lease": list(kept.values()), "at": 0.0}])
        journal.submit([row]).wait_blocking()

    site.start()
    site.wait_for("session.running", count=2)

    held = {lease["scope"]: lease["holder"] for lease in site.ask("lease", "list")["leases"]}
    assert held == {"a.txt": session, "docs/x": session}


def test_a_slot_that_found_no_room_is_served_after_a_kill_exactly_once(site):
    schedule = {"name": "hourly", "every": "1h", "misfire": "once", "max_lateness": "2h"}
    site.configure(WAIT, supervisor={"max_sessions": 1, "pool": False})
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    first = site.start()
    site.run("launch", "--task", "a")
    first.kill()
    first.wait()
    with Journal.open(site.root / ".leasehold/state", on_failure=print) as journal:
        slot = {
            "schedule": "hourly",
            "due": 1_700_000_000.0,
            "slots": 1,
            "harness": "",
            "lane": "",
            "tag": "",
        }
        journal.submit([PacingRow("slots", "", [slot])]).wait_blocking()
    config = site.root / ".leasehold/config.toml"
    lines = [f'{name} = "{value}"' for name, value in schedule.items()]
    config.write_text(config.read_text() + "\n[[schedule]]\n" + "\n".join(lines) + "\n")
    second = site.start()

    site.run("session", "stop", "a")

    assert site.wait_for("session.running", task="b")
    again(site, second)
    (only,) = site.events("session.intended")[1:]
    assert only["data"]["schedule"] == "hourly"
    with Journal.open_reader(site.root / ".leasehold/state") as reader:
        assert [row for row in reader.load().pacing if row.kind == "slots"] == []


def test_a_journal_of_the_first_schema_opens_and_loses_nothing(site):
    """The file was written by a supervisor of that schema, which was killed while a session ran."""
    site.configure(WAIT, supervisor={"pool": False})
    state = site.root / ".leasehold/state"
    state.mkdir()
    shutil.copy(Path(__file__).parents[1] / "journal/earlier/schema-1.db", state / "journal.db")
    site.start()
    site.wait_for("session.ended", session="e2531f00")

    status = site.ask("status")
    tasks = {row["id"]: row["standing"] for row in site.ask("task", "list", "--all")["tasks"]}
    sessions = {row["id"]: row["outcome"] for row in site.ask("session", "list", "--all")["sessions"]}

    assert (status["admission"], status["admission_why"]) == ("paused", "holiday")
    assert tasks == {"queued": "ready"}
    assert sessions.pop("e2531f00") in {"lost", "unspawned"}  # it was alive; its folder is not here
    assert sessions == {"e2cb307e": "failed", "190a97a1": "finished"}
    assert [event["seq"] for event in site.events()][:23] == list(range(1, 24))
    assert (state / "journal.db.schema-1").exists()
    with Journal.open_reader(state) as reader:
        standings = {row.key: row.disposition["standing"] for row in reader.load().tasks if row.key in "ad"}
        assert standings == {"a": "done", "d": "held"}
        meta = dict(reader.load().meta)
        assert meta.pop("history.today")["wall"] < time.time()
        assert meta == {"tokens.ceiling": 2 * 1048576, "queue.last_number": 1}
