"""The MCP tools of a session, called by a real agent that was given them by its adapter."""

from __future__ import annotations

from tests.harness.conftest import left, needs
from tests.harness.model.script import Create, Say, Shell, Use


def test_an_agent_asks_for_files_and_says_how_it_went_with_its_own_tools(stage, rig, tagged):
    needs(rig, "mcp")
    stage.configure(rig, harness=rig.keys.get("mcp"))
    stage.task(
        "tools",
        Use("task_show"),
        Use("who_is_running"),
        Use("lease_acquire", {"paths": ["new.txt"]}),
        Use("lease_who", {"path": "new.txt"}),
        Create("new.txt", "fresh\n"),
        Shell("git add new.txt && git commit -qm New -- new.txt"),
        Use("recent_commits", {"path": "new.txt"}),
        Use("note", {"text": "the file is new"}),
        Use("task_done", {"text": "made the file"}),
        Say("All done."),
    )

    stage.until_idle()

    told = stage.model.told("tools")
    for part in (
        "script:tools",
        "Nobody else is at work.",
        "You hold new.txt (exclusive).",
        "new.txt is yours (exclusive)",
        "by you: New (new.txt)",
        "Noted. End now",
    ):
        assert part in told, f"{part!r} is not in what the model was told:\n{told}"
    ended = stage.ended("tools")
    assert ended["data"]["outcome"] == "finished"
    assert ended["data"]["evidence"]["said"]["text"] == "made the file"
    assert [event["data"]["text"] for event in stage.site.events("task.noted")] == ["the file is new"]
    assert left(tagged, stage) == {}
