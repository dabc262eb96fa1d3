"""A site whose agents keep evidence, whose processes can be made to die at a named step, and that is audited."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fault.evidence import Evidence, audit, runs, sessions
from tests.fault.summary import Summary, Trial
from tests.process.announced import until
from tests.process.conftest import LIMIT, Site, site
from tests.process.conftest import _toml as toml

__all__ = ["site"]

AGENT = Path(__file__).parent / "children/agent.py"
BACK_WITHIN = 10.0  # seconds
_SUMMARY = pytest.StashKey[Summary]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault")
    group.addoption("--fault-seed", type=int, default=None, help="seed of what is random, to repeat a run")
    group.addoption(
        "--fault-full", action="store_true", help="the long run: more kills, hits, actions, sessions"
    )
    group.addoption(
        "--fault-summary", type=Path, default=None, help="write the summary to this file, as JSON"
    )


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--fault-seed", default=None)
    config.stash[_SUMMARY] = Summary(random.SystemRandom().randrange(10**6) if seed is None else seed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    summary = config.stash[_SUMMARY]
    if not summary.trials:
        return
    terminalreporter.section("faults")
    for line in summary.lines():
        terminalreporter.write_line(line)
    path = config.getoption("--fault-summary", default=None)
    if path is not None:
        summary.write(path)


@dataclass
class Arena:
    """A site with hostile and honest agents."""

    site: Site
    evidence: Evidence
    hits: Path
    summary: Summary
    test: str
    tasks: list[str] = field(default_factory=list)

    def add(self, *tasks: str, **front: object) -> None:
        """Write tasks; the earlier ones go first."""
        for task in tasks:
            self.tasks.append(task)
            rest = task.partition("-")[2]
            path = "shared.txt" if rest.startswith("shared") else f"{task}.txt"
            self.site.task(task, path, priority=-len(self.tasks), **front)

    def furnish(self, *tasks: str, sessions_at_once: int = 3, **sections: dict[str, object]) -> None:
        """Write the tasks and a configuration for them."""
        self.add(*tasks)
        agent = [sys.executable, "-I", "-S", str(AGENT)]
        defaults: dict[str, dict[str, object]] = {
            "repos.site": {"path": "."},
            "sources.tasks": {"kind": "markdown", "path": "tasks"},
            "harness.agent": {
                "command": agent,
                "env": {"EVIDENCE": str(self.evidence.folder)},
                "budget": "60s",
                "warn": "1s",
                "grace": "200ms",
            },
            "supervisor": {"max_sessions": sessions_at_once},
            "retry": {
                "attempts": 2,
                "backoff": "100ms",
                "backoff_max": "100ms",
                "intensity": 500,
                "intensity_all": 5000,
                "spawns": 500,
            },
        }
        text = []
        for name in {**defaults, **sections}:
            keys = defaults.get(name, {}) | sections.get(name, {})
            text += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in keys.items())]
        self.site.write(".leasehold/config.toml", "\n".join(text) + "\n")
        self.site.write(".leasehold/.gitignore", "*\n")

    def arming(self, points: str) -> dict[str, str]:
        """Return the variables that arm failpoints, hits counted over all processes."""
        return {"LEASEHOLD_FAILPOINTS": points, "LEASEHOLD_FAILPOINTS_HITS": str(self.hits)}

    def run(self, points: str = "") -> subprocess.CompletedProcess[str]:
        """Run the supervisor until nothing is left to do, or it dies."""
        return self.site.run("run", "--until-idle", code=None, **self.arming(points))

    def start(self, points: str = "") -> subprocess.Popen[str]:
        """Start the supervisor and return once it answers."""
        before = dict(self.site.environ)
        self.site.environ |= self.arming(points)
        try:
            return self.site.start()
        finally:
            self.site.environ.clear()
            self.site.environ |= before

    def spawn(self, points: str) -> subprocess.Popen[str]:
        """Start the supervisor to die at a step of its start, maybe before anybody could ask it anything."""
        with (self.site.root / ".leasehold/supervisor.log").open("a") as log:
            process = subprocess.Popen(
                self.site.command("run"),
                cwd=self.site.root,
                env=self.site.environ | self.arming(points),
                text=True,
                stderr=log,
                stdout=log,
            )
        self.site.running.append(process)
        return process

    def reached(self, point: str) -> int:
        """Return how often a point was passed."""
        return len(list(self.hits.glob(f"{point}.*")))

    def back(self, since: float) -> float:
        """Return how long after `since` (Unix seconds) the newest supervisor, which runs, had taken over."""
        for event in self.site.follow("supervisor.started", self.site.running[-1]):
            if event["at"] >= since:
                return float(event["at"]) - since
        raise AssertionError(self.site.log())

    def conclude(
        self, point: str, action: str, *, kills: int = 1, back: float = 0.0, killed_workers: bool = False
    ) -> None:
        """Audit the site, put the trial on record, and fail if a promise was broken."""
        wrong = audit(self.site, self.evidence, self.tasks, killed_workers=killed_workers)
        if back > BACK_WITHIN:
            wrong.append(f"back in control after {back:.1f} s")
        outcomes = Counter(row.outcome or row.state for row in sessions(self.site))
        self.summary.trials.append(Trial(self.test, point, action, kills, dict(outcomes), back, wrong))
        assert not wrong, "\n".join(wrong)

    def recover(self) -> float:
        """Run a supervisor to the end of all work and return how long it took to be in control."""
        since = time.time()
        done = subprocess.run(
            self.site.command("run", "--until-idle"),
            cwd=self.site.root,
            env=self.site.environ,
            text=True,
            capture_output=True,
            timeout=5 * LIMIT,
        )
        assert done.returncode in {0, 1}, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return float(self.site.events("supervisor.started")[-1]["at"]) - since

    def until(
        self, happened: Callable[[], bool], *also: Path, process: subprocess.Popen[Any] | None = None
    ) -> None:
        """Return once something has happened that an agent, the journal, a failpoint or one of `also` tells of."""
        state = self.site.root / ".leasehold/state"
        places = [
            self.evidence.folder,
            self.hits,
            state,
            state / "sessions",
            self.site.socket().parent,
            *also,
        ]
        assert until(happened, places, LIMIT, process), self.site.log()


@pytest.fixture
def arena(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Arena]:
    """Return an arena; whatever its agents left behind is ended afterwards."""
    evidence, hits = tmp_path / "evidence", tmp_path / "hits"
    evidence.mkdir()
    hits.mkdir()
    made = Arena(site, Evidence(evidence), hits, request.config.stash[_SUMMARY], request.node.originalname)
    yield made
    for line in made.evidence.alive():
        _end(line["pid"], line["start"])


def _end(pid: int, start: int) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if runs(pid, start):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Return whether the long run is asked for."""
    return bool(request.config.getoption("--fault-full", default=False))


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Return random numbers that the seed repeats, other ones for each test."""
    seed = f"{request.config.stash[_SUMMARY].seed} {request.node.name}"
    return random.Random(seed)  # noqa: S311  - dice, not secrets
