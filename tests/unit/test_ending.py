"""The supervisor's own end: how hard, how long at most, and what is said of what stays."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest

from supervisor.core.decisions.admission import Closing
from supervisor.core.decisions.effects import Tell
from supervisor.core.sessions.lifecycle import Kill, Stop
from supervisor.daemon.ending import Ending, Serve
from supervisor.world.config.models import Settings, SupervisorSettings
from supervisor.world.config.stopping import FAREWELL, KILL, SETTLE, stop_within


class Stage:
    """An authority whose clock and alarm only the test moves."""

    def __init__(self, house, settings):
        self.house = house
        self.after = []
        self.ending = Ending(cast("Any", self), cast("Any", None), Serve(), lambda: settings)
        self.ending.begin()

    @property
    def tables(self):
        return self.house.tables

    def now(self):
        return self.house.now

    def on_time(self, seconds_left, ring):
        self.seconds_left, self.ring = seconds_left, ring

    def do(self, effects):
        self.house.take(effects)
        for look in self.after:
            look()

    def wait(self):
        """Let time pass until the ending has something to do; return how long that was."""
        seconds = self.seconds_left(self.house.now)
        self.house.now = self.house.now.later(seconds)
        self.ring(self.house.now)
        return seconds

    def wishes(self):
        return [effect.wish for effect in self.house.effects if isinstance(effect, Tell)]


def settings(**supervisor) -> Settings:
    return Settings(
        path="/c",
        directory="/",
        supervisor=SupervisorSettings(**supervisor),
        harness={"sh": {"command": ["true"], "grace": "20s"}},
    )


@pytest.fixture
def stage(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    return lambda **supervisor: Stage(house, settings(**supervisor))


def test_a_drain_has_no_limit_unless_it_is_given_one(stage):
    found = stage()
    found.ending.drain("SIGTERM")

    assert found.seconds_left(found.now()) is None
    assert isinstance(found.tables.admission, Closing)
    assert not found.ending.over.is_set()


def test_a_drain_that_takes_too_long_becomes_a_stop_then_a_kill_then_it_names_who_stays(stage):
    found = stage(drain_timeout="1h")
    found.ending.drain("SIGTERM")

    assert found.wait() == 3600.0
    assert [type(wish) for wish in found.wishes()] == [Stop]
    assert found.wait() == 10.0 + SETTLE
    assert [type(wish) for wish in found.wishes()] == [Stop, Kill]
    assert not found.ending.over.is_set()
    assert found.wait() == KILL
    assert found.ending.over.is_set()
    (line,) = found.ending.survivors
    assert line.startswith("session s1 (a) could not be ended: worker pid ")
    assert found.seconds_left(found.now()) is None


def test_each_further_signal_is_one_step_harder(stage):
    found = stage()

    told = [found.ending.climb("SIGTERM") for _ in range(3)]

    assert [text.split(";")[0] for text in told] == [
        "draining",
        "stopping the sessions",
        "killing the sessions",
    ]
    assert [type(wish) for wish in found.wishes()] == [Stop, Kill]


def test_it_ends_with_the_last_session_and_nobody_is_left(stage):
    found = stage()
    found.ending.stop("SIGTERM")
    found.house.end("a", cause="stop")
    found.do([])

    assert found.ending.over.is_set()
    assert found.ending.survivors == []


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({"on_stop": "leave"}, FAREWELL),
        ({"on_stop": "stop"}, 20 + SETTLE + KILL + FAREWELL),
        ({"on_stop": "drain"}, math.inf),
        ({"on_stop": "drain", "drain_timeout": "1h"}, 3600 + 20 + SETTLE + KILL + FAREWELL),
    ],
)
def test_how_long_an_end_takes_at_most_is_known_from_the_configuration(keys, seconds):
    assert stop_within(settings(**keys)) == seconds
