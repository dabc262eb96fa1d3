"""The worker keeps a session's clocks by itself, with nobody connected."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from pathlib import Path

import pytest

from tests.process.children.session import Session
from workers.session.clock import boottime

pytestmark = pytest.mark.process


def test_the_budget_is_enforced_with_nobody_connected(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term", budget={"wall": 1.5, "warn": 0.9, "grace": 0.2}) as session:
        record = session.wait()

        assert session.tagged() == []
        assert (record["cause"], record["by"], record["signal"]) == ("budget", "worker", 9)
        assert record["elapsed"] >= 1.7
        warning, stopping = session.read("notice").splitlines()
        assert re.match(r"Your time budget ends in 0\.[0-9]s, at ", warning)
        assert stopping == "This session is being stopped: the session's time budget is used up."


def test_warning_stopping_and_ending_are_told_in_order(tmp_path: Path) -> None:
    with Session(tmp_path, "leaves_politely", budget={"wall": 2.5, "warn": 0.8}) as session:
        client = session.connect()

        ended = client.event("ended")["record"]

        names = [event["event"] for event in client.events if event["event"] != "started"]
        assert names == ["hello", "warned", "stopping", "exited", "ended"]
        assert 0 < client.event("warned")["left"] <= 0.8
        assert client.event("stopping")["cause"] == "budget"
        assert client.event("exited")["code"] == 5
        assert ended == session.wait()


def test_extend_moves_the_deadline_and_is_durable_when_answered(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term", budget={"wall": 2.0}) as session:
        client = session.connect()
        before = session.json("deadline.json")
        asked = time.time()

        answer = client.call("extend", seconds=100)

        after = session.json("deadline.json")
        assert after["boottime"] == pytest.approx(before["boottime"] + 100)
        assert answer["deadline"]["boottime"] == after["boottime"]
        assert after["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert asked - 0.1 < after["wall"] - answer["left"] < time.time() + 0.1
        assert 100 < answer["left"] <= 102
        assert wait_for_end(session, before["boottime"] - boottime() + 0.2) is False
        client.call("kill")


def test_extend_after_the_end_of_the_budget_is_refused_with_the_reason(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term", budget={"wall": 1.0, "grace": 60.0}) as session:
        client = session.connect()
        client.event("stopping")

        answer = client.call("extend", seconds=100)

        assert answer["ok"] is False
        assert answer["error"] == "too late: the session is stopping (the session's time budget is used up)"
        client.call("kill")
        assert session.wait()["cause"] == "budget"


def test_a_harness_that_writes_nothing_is_stopped_after_the_startup_time(tmp_path: Path) -> None:
    with Session(tmp_path, "is_silent", budget={"startup": 0.3}) as session:
        record = session.wait()

        assert (record["cause"], record["signal"]) == ("startup", 15)
        assert record["why"] == "the harness wrote nothing within 0.3s of its start"


def test_a_harness_that_has_written_outlives_the_startup_time(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays", budget={"startup": 1.0}) as session:
        session.connect()
        session.wait_ready()

        assert wait_for_end(session, 1.2) is False


def test_a_harness_that_stays_after_its_work_is_finished_is_stopped(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays", budget={"resident": 0.2}) as session:
        client = session.connect()
        session.wait_ready()

        assert client.call("finished")["ok"] is True

        record = session.wait()
        assert (record["cause"], record["signal"]) == ("resident", 15)
        assert record["why"] == "the work was reported finished and the harness still ran 0.2s later"


def test_sigterm_to_the_worker_stops_the_session_and_the_record_names_the_sender(tmp_path: Path) -> None:
    with Session(tmp_path, "leaves_politely") as session:
        session.connect()
        session.wait_ready()

        os.kill(session.pid, signal.SIGTERM)

        record = session.wait()
        assert (record["cause"], record["code"]) == ("stop", 5)
        name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
        assert record["by"] == f"pid {os.getpid()} ({name}) of uid {os.getuid()}"
        assert record["why"] == "the worker received SIGTERM"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_terminals_signals_do_not_touch_the_worker(tmp_path: Path, number: int) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()

        os.kill(session.pid, number)

        assert client.call("state")["state"] == "running"
        client.call("kill")


def test_an_idle_worker_does_not_wake_up(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays", budget={"startup": 60.0}) as session:
        client = session.connect()
        session.wait_ready()
        assert wait_for_end(session, 1.3) is False  # past the look at the freshly written log
        assert client.call("state")["state"] == "running"

        assert any(sleeps(session, 1.0) for _ in range(20))  # at the first look, or once it got the processor

        client.call("kill")


def test_a_worker_is_small(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays") as session:
        client = session.connect()
        session.wait_ready()

        status = Path(f"/proc/{session.pid}/status").read_text().splitlines()

        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert resident <= 14 * 1024
        client.call("kill")


def sleeps(session: Session, seconds: float) -> bool:
    """Watch the worker for so long; tell whether it slept through."""
    before = wake_ups(session.pid)
    assert wait_for_end(session, seconds) is False
    return wake_ups(session.pid) == before


def wake_ups(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def wait_for_end(session: Session, seconds: float) -> bool:
    """Watch the worker for so long; tell whether it ended."""
    worker = os.pidfd_open(session.pid)
    try:
        return bool(select.select([worker], [], [], seconds)[0])
    finally:
        os.close(worker)
