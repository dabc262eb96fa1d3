"""The rigs of the agents agree with their adapters and with the scenarios that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from supervisor.world.harness.registry import find, ours
from tests.harness.conftest import needed
from tests.harness.rigs import RIGS
from tests.harness.scenarios import SCENARIOS

HARNESS = Path(__file__).parents[1] / "harness"


def test_each_adapter_has_a_rig_and_each_rig_an_adapter():
    assert set(RIGS) == {adapter.name for adapter in ours()}


def test_each_scenario_has_one_test():
    text = "".join((HARNESS / name).read_text("utf-8") for name in ("test_scenarios.py", "test_mcp.py"))
    asked_for = re.findall(r'^    needs\(rig, "(\w+)"\)$', text, re.MULTILINE)

    assert sorted(asked_for) == sorted(SCENARIOS)
    assert len(asked_for) == len(re.findall(r"^def test_\w+\(stage, rig", text, re.MULTILINE))


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_what_an_agent_cannot_do_is_a_scenario_with_a_reason(rig):
    assert set(rig.cannot) <= set(SCENARIOS)
    assert all(rig.cannot.values())


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_what_an_adapter_cannot_do_is_no_scenario_of_its_agent(rig):
    can = find(rig.name).can

    assert [name for name in ("mcp", "resume") if name not in can and name not in rig.cannot] == []
    assert ("LEASE DENIED: …" in rig.refusal) == ("hooks" in can)


def test_a_run_without_the_tests_of_agents_installs_none(request):
    others = [item for item in request.session.items if not item.get_closest_marker("harness")]

    assert needed(others, request.config) == []
