"""The ladder as an operator sees it: chosen in the configuration, told by verbs, in the brief and in refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.world.cgroups.hierarchy import CgroupError
from supervisor.world.cgroups.probe import find_base

pytestmark = pytest.mark.process

AGENT = "import pathlib, sys\npathlib.Path('brief').write_text(sys.stdin.read())\n"


def why_no_cgroups() -> str:
    try:
        find_base("probe")
    except CgroupError as error:
        return str(error)
    return ""


WHY_NOT = why_no_cgroups()
RUNGS = [
    pytest.param(
        "cgroup", marks=pytest.mark.skipif(bool(WHY_NOT), reason=f"no cgroup to write to: {WHY_NOT}")
    ),
    "sweep",
]


@pytest.mark.parametrize("rung", RUNGS)
def test_the_rung_is_told_in_the_session_and_in_its_brief(site, rung):
    site.configure(AGENT, supervisor={"launcher": rung})
    site.task("a", expects="nothing")

    site.until_idle()

    shown = site.ask("session", "show", "a")
    assert (shown["rung"], shown["outcome"]) == (rung, "finished")
    assert f"processes    {rung}" in site.run("session", "show", "a").stdout
    assert "- what you start ends with this session: each" in Path(shown["brief"]).read_text()


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs this host")
def test_a_rung_that_does_not_hold_refuses_to_start_in_one_line(site):
    site.configure(AGENT, supervisor={"launcher": "systemd"})

    told = site.run("run", code=1).stderr.strip()

    assert told == (
        'Error: supervisor.launcher is "systemd", which does not hold here (system units: systemd is not the service '
        'manager of this host; user units: systemd is not the service manager of this host); "auto" takes what holds'
    )
    assert told.removeprefix("Error: ") in site.run("doctor", code=1).stderr


def test_a_limit_that_no_session_would_have_is_told_at_the_start_and_by_doctor(site):
    site.configure(AGENT, supervisor={"launcher": "sweep"}, harness={"memory": "1GiB", "processes": 50})

    started = site.until_idle()

    assert "harness.agent.memory" in started.stderr
    document = site.ask("doctor")
    assert document["rung"] == "sweep"
    assert [f["name"] for f in document["findings"] if f["name"].startswith("harness.")] == [
        "harness.agent.memory",
        "harness.agent.processes",
    ]
    assert [rung["rung"] for rung in document["rungs"]] == ["system units", "user units", "cgroup", "sweep"]


def test_doctor_leaves_no_state_directory_behind(site):
    site.configure(AGENT)

    site.run("doctor")

    assert not (site.root / ".leasehold/state").exists()
