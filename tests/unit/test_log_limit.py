"""Storms in the log."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from supervisor.world import logs
from supervisor.world.log_limit import LINES, WITHIN, LineLimit


class Log:
    """A log on a clock that only the test moves."""

    def __init__(self, monkeypatch, level):
        self.time = 0.0
        self.stream = io.StringIO()
        self.limit = LineLimit(lambda: self.time)
        monkeypatch.setattr(logs, "LineLimit", lambda: self.limit)
        logs.configure_logs("json", level, self.stream)

    def say(self, kind, count=1, level="warning"):
        for _ in range(count):
            getattr(structlog.get_logger("leasehold"), level)(kind)

    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def count(self, kind):
        return sum(line["event"] == kind for line in self.lines())


@pytest.fixture
def log(monkeypatch):
    yield lambda level="info": Log(monkeypatch, level)
    structlog.reset_defaults()


def test_a_storm_is_cut_short_and_counted_in_one_line_once_it_is_over(log):
    found = log()
    found.say("source.problem", 1000)
    found.say("git.failed")
    found.time = WITHIN
    found.say("git.failed")

    assert found.count("source.problem") == LINES
    (told,) = [line for line in found.lines() if line["event"] == "log.suppressed"]
    assert (told["kind"], told["lines"]) == ("source.problem", 1000 - LINES)
    assert found.count("git.failed") == 2
    found.say("source.problem")
    assert found.count("source.problem") == LINES + 1


def test_a_kind_that_is_rarer_than_the_limit_is_never_cut(log):
    found = log()
    for _ in range(20):
        found.say("lease.expired", LINES)
        found.time += WITHIN

    assert found.count("lease.expired") == 20 * LINES
    assert found.count("log.suppressed") == 0


@pytest.mark.parametrize("kind", ["session.ended", "task.parked", "lane.paused", "disk.low", "dump.session"])
def test_endings_and_standstills_are_never_left_out(log, kind):
    found = log()
    found.say(kind, 5 * LINES)

    assert found.count(kind) == 5 * LINES


def test_who_asks_for_debug_lines_gets_them_all(log):
    found = log("debug")
    found.say("lease.granted", 5 * LINES, "debug")

    assert found.count("lease.granted") == 5 * LINES


def test_at_the_end_what_was_left_out_is_told(log):
    found = log()
    found.say("source.problem", LINES + 7)
    found.limit.settle()
    found.limit.settle()

    assert [line["lines"] for line in found.lines() if line["event"] == "log.suppressed"] == [7]
