"""A paused session stands still, all of it, its clocks too; and it can be ended as it stands."""

from __future__ import annotations

import os
import random
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.cgroups import made_cgroup, needs_cgroup
from tests.process.children.session import PATIENCE, Session
from workers.session import proc, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process


@pytest.fixture(params=["signals", pytest.param("cgroup", marks=needs_cgroup)])
def how(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Both ways to bring a tree to a standstill."""
    if request.param == "signals":
        yield {}
        return
    with made_cgroup(str(abs(hash(request.node.name)))) as path:
        yield {"cgroup": str(path)}


def stands_still(session: Session) -> bool:
    """Tell whether no process of the tree has used the processor between two looks."""
    cgroup = session.json("worker.json")["cgroup"]
    if cgroup is not None:
        return "frozen 1" in Path(cgroup, "tree/cgroup.events").read_text()
    return all(
        state in {"T", "t", "Z"}
        for stat in tree.living(session.pid)
        for state in proc.thread_states(stat.pid)
    )


@pytest.mark.parametrize(
    "animal",
    [
        "ignores_term_with_family",
        "floods_until_stopped",
        "has_a_child_without_first_thread",
        "hops_below_a_leader",
    ],
)
def test_pause_answers_when_nothing_of_the_session_runs_and_resume_lets_it_go_on(
    tmp_path: Path, how: dict[str, Any], animal: str
) -> None:
    with Session(tmp_path, animal, **how) as session:
        client = session.connect()
        session.wait_ready()

        answer = client.call("pause", by="anna", why="lunch")

        assert stands_still(session)
        assert (answer["ok"], answer["state"], answer["by"], answer["why"]) == (
            True,
            "paused",
            "anna",
            "lunch",
        )
        assert client.event("paused") == {"event": "paused", "by": "anna", "why": "lunch"}
        assert client.call("resume")["ok"] is True
        assert client.event("resumed")["left"] <= 300
        assert not stands_still(session)
        assert client.call("state")["state"] == "running"
        assert client.call("kill")["ok"] is True
        assert session.tagged() == []


def test_the_budget_does_not_run_while_paused(tmp_path: Path, how: dict[str, Any]) -> None:
    with Session(tmp_path, "ignores_term", budget={"wall": 1.5, "grace": 0.05}, **how) as session:
        client = session.connect()
        session.wait_ready()
        left = client.call("pause")["left"]
        assert left <= 1.5

        quiet, _, _ = select.select([client.fileno()], [], [], 1.6)  # longer than the budget

        assert not quiet
        state = client.call("state")
        assert (state["state"], state["left"]) == ("paused", left)
        assert state["paused_for"] >= 1.6
        saved = session.json("deadline.json")
        assert (saved["paused"]["left"], saved["paused"]["by"]) == (left, "supervisor")
        resumed = client.call("resume")
        assert 0 < resumed["left"] <= left + 0.1
        assert session.json("deadline.json")["paused"] is None
        assert session.json("deadline.json")["paused_for"] >= 1.6
        record = session.wait()
        assert record["cause"] == "budget"
        assert record["paused"] >= 1.6


def test_a_pause_is_seen_by_whoever_connects_later(tmp_path: Path, how: dict[str, Any]) -> None:
    with Session(tmp_path, "ignores_term", **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause", by="anna", why="lunch")

        hello = session.connect().next()

        assert (hello["state"], hello["by"], hello["why"]) == ("paused", "anna", "lunch")
        assert hello["since"]["boottime"] > 0
        session.connect().call("kill")


def test_a_second_pause_keeps_the_first_reason_and_a_second_resume_is_no_error(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    with Session(tmp_path, "ignores_term", **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause", by="anna", why="lunch")

        assert client.call("pause", by="bert", why="tea")["by"] == "anna"

        assert client.call("resume")["ok"] is True
        assert client.call("resume")["ok"] is True
        client.call("kill")


def test_stop_of_a_paused_session_lets_it_leave_politely(tmp_path: Path, how: dict[str, Any]) -> None:
    with Session(tmp_path, "leaves_politely", **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause")

        assert client.call("stop", grace=10.0)["ok"] is True

        record = session.wait()
        assert (record["cause"], record["code"]) == ("stop", 5)


@pytest.mark.parametrize("animal", ["ignores_term_with_family", "hops_below_a_leader"])
def test_kill_of_a_paused_session_leaves_nothing(tmp_path: Path, how: dict[str, Any], animal: str) -> None:
    with Session(tmp_path, animal, **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause")

        assert client.call("kill")["ok"] is True

        assert session.tagged() == []
        assert session.wait()["survivors"] == []


def test_sigterm_to_the_worker_stops_a_paused_session(tmp_path: Path, how: dict[str, Any]) -> None:
    with Session(tmp_path, "leaves_politely", **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause")

        os.kill(session.pid, signal.SIGTERM)

        assert session.wait()["code"] == 5


def test_the_leader_of_a_paused_session_dies_with_a_killed_worker(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    with Session(tmp_path, "ignores_term", **how) as session:
        client = session.connect()
        session.wait_ready()
        client.call("pause")
        harness = os.pidfd_open(session.json("worker.json")["harness"]["pid"])
        assert session.worker is not None

        session.worker.kill()
        session.worker.wait()

        gone, _, _ = select.select([harness], [], [], PATIENCE)
        os.close(harness)
        assert gone


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_asked_in_whatever_order_the_session_can_be_ended(
    tmp_path: Path, how: dict[str, Any], seed: int
) -> None:
    """From the very start on: a pause before the harness's program runs is put off, never lost in between."""
    chance = random.Random(seed)  # noqa: S311  - a seed to repeat it
    with Session(tmp_path, "hops_below_a_leader", **how) as session:
        client = session.connect()
        for _ in range(30):
            op = chance.choice(["pause", "resume", "extend", "state", "pause"])
            answer = client.call(op, **({"seconds": 1} if op == "extend" else {}))
            assert answer["ok"] or answer["try_later"]
            if op == "pause" and answer["ok"]:
                assert stands_still(session)

        assert client.call(chance.choice(["stop", "kill"]), grace=0.1)["ok"] is True

        assert session.tagged() == []
        assert session.wait()["survivors"] == []


def test_what_had_stopped_itself_stays_so_over_a_pause(tmp_path: Path) -> None:
    with Session(tmp_path, "has_a_stopped_child") as session:
        client = session.connect()
        session.wait_ready()
        leader = session.json("worker.json")["harness"]["pid"]

        client.call("pause")
        client.call("resume")

        states = {stat.pid: stat.state for stat in tree.living(session.pid)}
        assert states.pop(leader) != "T"
        assert list(states.values()) == ["T"]
        client.call("kill")


def test_a_session_that_is_ending_is_not_paused(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()
        client.ask("stop", by="anna", why="enough", grace=5.0)
        client.event("stopping")

        answer = client.call("pause")

        assert answer == {"id": 2, "ok": False, "error": "too late: the session is stopping (enough)"}
        client.call("kill")
