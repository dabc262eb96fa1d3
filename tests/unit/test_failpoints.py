"""Failpoints: what the environment may ask for, what that does, and that the lists of them are true."""

from __future__ import annotations

import ast
import errno
import re
from collections import Counter
from pathlib import Path

import pytest

from supervisor.world.failpoint import POINTS, arm_failpoints
from workers.session import failpoint as engine
from workers.session.failpoint import FailpointError, failpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def disarmed():
    yield
    engine.arm({}, ())
    engine._hits.clear()


def calls() -> Counter[str]:
    found: Counter[str] = Counter()
    for folder in ("supervisor", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                    (argument,) = node.args
                    assert isinstance(argument, ast.Constant), f"{path}: a failpoint's name is written out"
                    found[str(argument.value)] += 1
    return found


def test_each_point_on_the_lists_is_placed_somewhere_and_each_placed_is_on_a_list():
    assert set(calls()) == {*POINTS, *engine.POINTS}


def test_the_reference_names_each_point_once_in_the_order_of_the_lists():
    page = (ROOT / "docs/reference/failpoints.md").read_text()

    assert re.findall(r"^\| `(\w+\.\w+)` \|", page, re.MULTILINE) == [*POINTS, *engine.POINTS]


def test_the_reference_names_each_action():
    page = (ROOT / "docs/reference/failpoints.md").read_text()

    assert tuple(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == engine.ACTIONS


def test_a_point_that_is_not_armed_does_nothing():
    failpoint("launch.forked")

    assert engine._hits == {}


def test_an_action_holds_for_each_hit():
    arm_failpoints({"LEASEHOLD_FAILPOINTS": "launch.forked=error"})

    for _ in range(2):
        with pytest.raises(FailpointError) as raised:
            failpoint("launch.forked")
        assert (raised.value.errno, raised.value.strerror) == (errno.EIO, "failpoint launch.forked")
    failpoint("launch.connected")


def test_a_number_picks_one_hit():
    arm_failpoints({"LEASEHOLD_FAILPOINTS": "launch.forked=2*error, launch.prepared=count"})

    failpoint("launch.forked")
    with pytest.raises(FailpointError):
        failpoint("launch.forked")
    failpoint("launch.forked")


def test_processes_that_share_a_folder_count_together(tmp_path):
    asked = {"LEASEHOLD_FAILPOINTS": "launch.forked=2*error", "LEASEHOLD_FAILPOINTS_HITS": str(tmp_path)}
    arm_failpoints(asked)
    failpoint("launch.forked")
    engine._hits.clear()  # as another process begins

    with pytest.raises(FailpointError):
        failpoint("launch.forked")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["launch.forked.1", "launch.forked.2"]


def test_a_star_stands_for_every_point(tmp_path):
    arm_failpoints({"LEASEHOLD_FAILPOINTS": "*=count", "LEASEHOLD_FAILPOINTS_HITS": str(tmp_path)})

    failpoint("exit.read")
    failpoint("settle.begun")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["exit.read.1", "settle.begun.1"]


def test_what_is_asked_of_the_worker_is_not_done_by_the_supervisor():
    arm_failpoints({"LEASEHOLD_FAILPOINTS": "worker.locked=error"})

    failpoint("worker.locked")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("launch.froked=kill", 'no failpoint "launch.froked"'),
        ("launch.forked", '"launch.forked" is not NAME=[N*]ACTION'),
        ("launch.forked=explode", "actions are kill, exit, error, hang, count"),
        ("launch.forked=0*kill", "is not NAME=[N*]ACTION"),
        ("launch.forked=x*kill", "is not NAME=[N*]ACTION"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        arm_failpoints({"LEASEHOLD_FAILPOINTS": text})
