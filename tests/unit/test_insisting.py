"""Which workers are looked at, and when: those of sessions that are to end or are over their budget."""

from __future__ import annotations

from typing import Any, cast

import pytest

from supervisor.core.sessions.lifecycle import HarnessPaused, HarnessResumed, Kill, ProcessId, Stop, Wanted
from supervisor.daemon.recovery import insisting
from supervisor.daemon.recovery.insisting import SLACK, Insistence

WORKER = ProcessId(1000, 1, "boot")


class Stage:
    """An authority whose clock only the test moves, and a worker whose state the test sets."""

    def __init__(self, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.standing = ""
        self.signals: list[str] = []
        monkeypatch.setattr(insisting, "why_stopped", lambda _pid: self.standing)
        monkeypatch.setattr(insisting, "_signal", self.signal)
        Insistence(cast("Any", self), lambda _session: WORKER)

    @property
    def tables(self) -> Any:
        return self.house.tables

    def on_time(self, seconds_left: Any, ring: Any) -> None:
        self.seconds_left, self.ring = seconds_left, ring

    def signal(self, worker: ProcessId, number: Any) -> bool:
        assert worker == WORKER
        self.signals.append(number.name)
        return True

    def wait(self) -> float:
        """Let time pass until there is something to do, and do it; return how long that was."""
        seconds: float = self.seconds_left(self.house.now)
        self.house.now = self.house.now.later(seconds)
        self.house.take(self.ring(self.house.now))
        return seconds


@pytest.fixture
def stage(house: Any, work: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    return Stage(house, monkeypatch)


def test_a_worker_is_left_alone_until_its_session_is_over_its_budget_and_grace(stage: Stage) -> None:
    stage.standing = "it was stopped by a signal"

    assert stage.wait() == 3000 + 10 + SLACK
    assert stage.signals == ["SIGCONT"]
    [note] = stage.house.notes("worker.stood_still")
    assert (note.data["worker_pid"], note.data["done"]) == (1000, "let go on")


def test_a_worker_that_stands_still_over_a_stop_is_let_go_on_at_once_and_killed_after_the_grace(
    stage: Stage,
) -> None:
    stage.standing = "it was stopped by a signal"
    stage.house.news("a", Wanted(Stop("stop", "ann", "enough", 10.0)))

    assert stage.wait() == 0
    waited = 0.0
    while "SIGKILL" not in stage.signals:
        waited += stage.wait()

    assert 10 <= waited < 20
    assert stage.signals[:3] == ["SIGCONT"] * 3
    assert [note.data["done"] for note in stage.house.notes("worker.stood_still")] == ["let go on", "killed"]


def test_a_kill_waits_for_no_grace_but_lets_the_worker_try(stage: Stage) -> None:
    stage.standing = "its cgroup is frozen"
    stage.house.news("a", Wanted(Kill("ann", "enough")))

    assert sum(stage.wait() for _ in range(4)) < 5
    assert stage.signals == ["SIGCONT"] * 3 + ["SIGKILL"]


def test_a_worker_that_can_act_is_never_signalled(stage: Stage) -> None:
    stage.house.news("a", Wanted(Kill("ann", "enough")))

    for _ in range(20):
        stage.wait()

    assert stage.signals == []
    assert stage.wait() == 30


def test_the_budget_of_a_paused_session_stands_still(stage: Stage) -> None:
    stage.house.pass_time(100)
    stage.house.news("a", HarnessPaused("operator", "lunch"))

    assert stage.seconds_left(stage.house.now) is None
    stage.house.pass_time(5000)
    assert stage.seconds_left(stage.house.now) is None
    stage.house.news("a", HarnessResumed())
    assert stage.seconds_left(stage.house.now) == 2910 + SLACK
