"""Random kill -9 during continuous launches of hostile and honest agents: nothing is lost, nothing doubled."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.process.conftest import _answers

pytestmark = [pytest.mark.fault, pytest.mark.process, pytest.mark.slow]

KINDS = (
    *("honest-shared", "slow-shared", "honest", "slow", "leaves", "tagged", "forks", "outside", "floods"),
    *("fails", "deaf", "frozen", "slow-shared"),
)
OVERRUNNING = ("deaf", "frozen")
WAITING = 8  # tasks that are not over, at least, while the killing goes on


class Storm:
    """A site whose supervisor and workers are killed at random instants."""

    def __init__(self, arena, dice: random.Random, kinds: tuple[str, ...]) -> None:
        self.arena = arena
        self.dice = dice
        self.kills = 0
        self.slowest = 0.0
        self._tasks: Iterator[tuple[str, int]] = zip(itertools.cycle(kinds), itertools.count(), strict=False)
        arena.furnish(
            sessions_at_once=5,
            retry={"attempts": 5, "backoff": "400ms", "backoff_max": "3s"},
        )

    def refill(self) -> None:
        """Write tasks until enough are waiting."""
        over = {line["task"] for line in self.arena.evidence.lines("end", "overruns")}
        while len(self.arena.tasks) - len(over) < WAITING:
            kind, number = next(self._tasks)
            self.arena.add(f"{kind}-{number}", **({"budget": "1s"} if kind in OVERRUNNING else {}))

    def rage(self, kills: int, strike: Callable[[subprocess.Popen[bytes]], None]) -> None:
        """Run the supervisor until `strike` has killed so often; each time it is dead, start it again."""
        site = self.arena.site
        while self.kills < kills:
            self.refill()
            with (site.root / ".leasehold/supervisor.log").open("a") as log:
                process = subprocess.Popen(
                    site.command("run"), cwd=site.root, env=site.environ, stderr=log, stdout=log
                )
            try:
                if self.dice.random() < 0.8:  # else it may die before it has begun
                    self._wait_for_an_answer(process)
                while process.poll() is None and self.kills < kills:
                    time.sleep(self.dice.uniform(0.0, 1.2))
                    self.refill()
                    strike(process)
                    self.kills += 1
            finally:
                process.kill()
            assert process.wait() == -signal.SIGKILL, site.log()[-4000:]

    def supervisor(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the supervisor."""
        process.kill()
        process.wait()

    def worker(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one worker of this site, once there is one."""
        self.arena.until(lambda: process.poll() is not None or bool(self._workers()), process=process)
        living = self._workers()
        if living:
            chosen = self.dice.choice(sorted(living, key=lambda worker: worker.pid))
            with_identity = psutil.Process(chosen.pid)
            if with_identity == chosen:  # the same start time: psutil compares it
                chosen.send_signal(signal.SIGKILL)

    def either(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one or the other, or both within a moment."""
        if self.dice.random() < 0.6:
            self.worker(process)
        if self.dice.random() < 0.5:
            self.supervisor(process)

    def calm(self, point: str, *, killed_workers: bool) -> None:
        """Let the rest of the work be done, and audit."""
        begun = len({line["session"] for line in self.arena.evidence.lines("begin")})
        assert begun > self.kills / 2, f"only {begun} sessions ran while {self.kills} processes were killed"
        back = self.arena.recover()
        self.arena.conclude(point, "kill", kills=self.kills, back=back, killed_workers=killed_workers)

    def _wait_for_an_answer(self, process: subprocess.Popen[bytes]) -> None:
        path = self.arena.site.socket()
        self.arena.until(lambda: process.poll() is not None or _answers(path), process=process)

    def _workers(self) -> list[psutil.Process]:
        mark = str(self.arena.site.root / ".leasehold/state/sessions")
        found = []
        for process in psutil.process_iter():
            try:
                if any(word.startswith(mark) for word in process.cmdline()) and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found


def test_random_kills_of_the_supervisor_lose_nothing_and_double_nothing(arena, dice, full):
    storm = Storm(arena, dice, KINDS)

    storm.rage(100 if full else 20, storm.supervisor)

    storm.calm("random: supervisor", killed_workers=False)


def test_random_kills_of_workers_leave_nothing_behind_and_double_nothing(arena, dice, full):
    storm = Storm(arena, dice, tuple(kind for kind in KINDS if kind != "leaves"))

    storm.rage(100 if full else 12, storm.worker)

    storm.calm("random: workers", killed_workers=True)


def test_random_kills_of_both_leave_nothing_behind_and_double_nothing(arena, dice, full):
    storm = Storm(arena, dice, tuple(kind for kind in KINDS if kind != "leaves"))

    storm.rage(100 if full else 15, storm.either)

    storm.calm("random: both", killed_workers=True)
