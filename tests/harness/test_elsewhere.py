"""Real agents whose sessions go on in another work tree."""

from __future__ import annotations

import pytest

from supervisor.world.harness.registry import find
from tests.harness.model.script import Say, Shell, Silence


def test_an_agent_that_can_goes_on_in_the_work_tree_of_its_tasks_next_session(stage, rig):
    if "moves" not in find(rig.name).can:
        pytest.skip(f"{rig.name} knows its sessions in their folder only")
    stage.configure(
        rig, harness={"budget": "25s", "warn": "0s"}, retry={"attempts": 2, "backoff": "0s", "jitter": 0.0}
    )
    file = stage.site.root / ".leasehold/config.toml"
    file.write_text(file.read_text().replace('path = "."', 'path = "."\nisolation = "worktree"', 1))
    commit = Shell("echo fresh > new.txt && git add new.txt && git commit -qm New -- new.txt")
    stage.task("resume", Silence(), commit, Say("All done."))

    stage.until_idle()

    ends = stage.site.events("session.ended")
    assert [event["data"]["outcome"] for event in ends] == ["timed_out", "finished"]
    told = stage.model.of("resume")[-1].texts
    assert sum("script:resume" in text for text in told) >= 2  # both briefs: the history came along
    place = f"worktrees/site/{ends[1]['session']}"
    assert any(f"you go on in another folder: {stage.site.root}/.leasehold/state/{place}" in t for t in told)
    assert stage.site.git("show", "HEAD:new.txt").strip() == "fresh"
