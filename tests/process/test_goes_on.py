"""A session that was interrupted in a work tree of its own, and what its task's next session goes on in."""

from __future__ import annotations

import json
import sys

import pytest

pytestmark = pytest.mark.process

AGENT = """
import json, os, signal, subprocess, sys
brief = sys.stdin.read()
print(json.dumps({"type": "thread.started", "thread_id": "t-1"}), flush=True)
print(json.dumps({"type": "system", "subtype": "init", "session_id": "t-1"}), flush=True)
if os.environ["ATTEMPT_FILE"] and not os.path.exists(os.environ["ATTEMPT_FILE"]):
    open(os.environ["ATTEMPT_FILE"], "w").close()
    signal.pause()
with open("told.json", "w") as file:
    json.dump([sys.argv[1:], brief, os.getcwd()], file)
subprocess.run(["git", "add", "told.json"], check=True)
subprocess.run(["git", "commit", "-qm", "Tell", "--", "told.json"], check=True)
print(json.dumps({"type": "turn.completed", "usage": {}}), flush=True)
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": "done"}), flush=True)
"""


@pytest.fixture
def told(site):
    """Return what runs two sessions of a task and returns what the second was told: arguments, brief, folder."""

    def run(adapter):
        site.task("a", "told.json", harness="fake")
        program = [sys.executable, str(site.root / ".leasehold/agent.py")]
        section = {"adapter": adapter, "program": program, "budget": "3s", "warn": "0s", "grace": "1s"}
        section["env"] = {"ATTEMPT_FILE": str(site.root.parent / "attempted")}
        site.configure(
            AGENT,
            repo={"isolation": "worktree"},
            retry={"attempts": 2, "backoff": "0s", "jitter": 0.0},
            **{"harness.fake": section},
        )
        site.until_idle()
        ends = [event["data"]["outcome"] for event in site.events("session.ended")]
        assert ends == ["timed_out", "finished"]
        return json.loads(site.git("show", "HEAD:told.json"))

    return run


def test_an_agent_that_knows_its_sessions_anywhere_goes_on_and_is_told_its_new_folder(told):
    argv, brief, folder = told("codex")

    assert argv[-3:] == ["resume", "t-1", "-"]
    assert f"you go on in another folder: {folder}." in brief


def test_an_agent_that_knows_its_sessions_in_their_folder_only_begins_anew(told):
    argv, brief, _folder = told("qwen")

    assert "--session-id" in argv
    assert "--resume" not in argv
    assert "another folder" not in brief + " ".join(argv)
