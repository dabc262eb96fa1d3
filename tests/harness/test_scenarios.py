"""What every agent must come through as a session, each scenario with each agent."""

from __future__ import annotations

from tests.harness.conftest import left
from tests.harness.model.script import Create, Edit, Read, Say, Shell


def test_edit_and_commit(stage, rig, tagged):
    stage.configure(rig)
    stage.site.write("app.txt", "one\ntwo\n")
    stage.site.git("add", "app.txt")
    stage.site.git("commit", "-qm", "App")
    stage.task(
        "edit",
        Read("app.txt"),
        Edit("app.txt", "two", "zwei"),
        Create("new.txt", "fresh\n"),
        Shell("git add app.txt new.txt && git commit -qm Edited -- app.txt new.txt"),
        Say("All done."),
    )

    stage.until_idle()

    assert stage.site.git("show", "HEAD:app.txt") == "one\nzwei\n"
    assert stage.site.git("show", "HEAD:new.txt").strip() == "fresh"
    ended = stage.ended("edit")
    assert ended["data"]["outcome"] == "finished"
    assert ended["session"] in stage.site.git("log", "-1", "--format=%(trailers:key=Leasehold-Session)")
    assert stage.record(ended["session"])["guard"]["level"] == "kernel"
    assert left(tagged, stage) == {}
