"""What every agent must come through as a session, each scenario with each agent."""

from __future__ import annotations

import os
import signal

from tests.harness.conftest import left, needs
from tests.harness.model.script import (
    Create,
    Drop,
    Edit,
    Fail,
    Read,
    Say,
    Shell,
    Silence,
    Stall,
)
from tests.process.conftest import LIMIT

SLEEP = "echo $$ > .leasehold/up; exec sleep 1000 > .leasehold/out 2>&1"
COMMIT = Shell("git add new.txt && git commit -qm New -- new.txt")
WRITE = (Create("new.txt", "fresh\n"), COMMIT, Say("All done."))


def app(stage) -> None:
    """Commit a file that sessions edit."""
    stage.site.write("app.txt", "one\ntwo\n")
    stage.site.git("add", "app.txt")
    stage.site.git("commit", "-qm", "App")


def asleep(stage, rig) -> str:
    """Return a session in the middle of a tool that does not come to an end."""
    stage.configure(rig)
    stage.task("sleep", Shell(SLEEP), Say("Slept."))
    stage.site.start()
    up = stage.site.root / ".leasehold/up"
    stage.site.until(lambda: up.exists() and up.read_text().endswith("\n"))
    session: str = stage.site.ask("ps")["sessions"][0]["id"]
    return session


def held_up(stage, rig, scenario, tagged) -> tuple[str, str]:
    """Return outcome and verdict of the one session of an agent that tries again and again, and says so or not."""
    keys = {"stall": f"{rig.quiet}s", "budget": "4m"} | rig.keys.get(scenario, {})
    stage.configure(rig, harness=keys)
    # Not until it is idle: an account that is held up is tried again later on.
    stage.site.start()
    ended = stage.site.wait_for("session.ended", limit=2 * rig.quiet + LIMIT, task=scenario)
    assert stage.site.wait_for("harness.resting")["data"]["harness"] == rig.name
    assert tagged(ended["session"]) == []
    return ended["data"]["outcome"], stage.verdict(ended["session"])


def test_edit_and_commit(stage, rig, tagged):
    needs(rig, "edit")
    stage.configure(rig)
    app(stage)
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
    assert stage.site.events("session.unhooked") == []
    assert stage.record(ended["session"])["guard"]["level"] == "kernel"
    assert left(tagged, stage) == {}


def test_an_edit_of_a_leased_file_is_refused_the_model_is_told_and_works_around_it(stage, rig, tagged):
    needs(rig, "refused")
    stage.configure(rig, supervisor={"pool": False}, guard={"wait": "0s"})
    app(stage)
    stage.task(
        "around",
        Read("app.txt"),
        Edit("app.txt", "two", "zwei"),
        Shell("echo overwritten > app.txt"),
        Shell('cat "$LEASEHOLD_NOTICE"'),
        *WRITE,
    )
    stage.site.start()
    stage.site.run("lease", "acquire", "app.txt")

    stage.site.run("launch", "--task", "around")
    ended = stage.site.wait_for("session.ended", task="around")

    assert (stage.site.root / "app.txt").read_text() == "one\ntwo\n"
    assert stage.site.git("show", "HEAD:new.txt").strip() == "fresh"
    assert ended["data"]["outcome"] == "finished"
    begin, _, end = rig.refusal.partition("…")
    (refused, *_) = [text for text in stage.model.results("around") if begin in text]
    assert end in refused
    if "…" in rig.refusal:  # the supervisor's whole sentence: who, and what to do
        assert "app.txt is held by " in refused
        assert "`leasehold lease acquire app.txt --wait " in refused
    told = stage.model.told("around")
    assert "app.txt: Device or resource busy" in told  # the shell's words
    assert "app.txt is held by" in told  # the notice's
    assert stage.site.events("write.refused")
    assert stage.site.ask("status")["collisions"]["writes_refused"] >= 2  # the edit and the shell's write
    assert left(tagged, stage) == {}


def test_a_session_killed_in_the_middle_of_a_tool_leaves_no_process(stage, rig, tagged):
    needs(rig, "killed")
    session = asleep(stage, rig)
    harness = stage.site.wait_for("session.running")["data"]["pid"]
    assert len(tagged(session)) >= 2

    os.kill(harness, signal.SIGKILL)
    ended = stage.site.wait_for("session.ended", session=session)

    assert ended["data"]["evidence"]["signal"] == signal.SIGKILL
    assert tagged(session) == []


def test_a_session_that_is_stopped_in_the_middle_of_a_tool_leaves_no_process(stage, rig, tagged):
    needs(rig, "stopped")
    session = asleep(stage, rig)

    answer = stage.site.ask("session", "stop", session)

    assert answer["outcome"] in {"stopped", "killed"}
    assert tagged(session) == []


def test_a_429_and_then_success_is_a_finished_session(stage, rig):
    needs(rig, "429")
    stage.configure(rig)
    stage.task("limited", Fail(429, (("retry-after", "1"),)), *WRITE)

    stage.until_idle()

    assert stage.ended("limited")["data"]["outcome"] == "finished"
    assert stage.site.git("show", "HEAD:new.txt").strip() == "fresh"


def test_an_account_that_only_gets_429_is_rate_limited_and_rests(stage, rig, tagged):
    needs(rig, "limited")
    stage.task("limited", Fail(429, (("retry-after", "600"),), times=0))

    assert held_up(stage, rig, "limited", tagged) == ("rate_limited", "rate_limited")


def test_an_account_that_gets_401_is_refused_and_stopped(stage, rig, tagged):
    needs(rig, "401")
    stage.configure(rig)
    stage.task("denied", Fail(401, times=0))

    stage.until_idle(code=1)

    ended = stage.ended("denied")
    assert ended["data"]["outcome"] == "unavailable"
    assert stage.verdict(ended["session"]) == "auth"
    assert len(stage.site.events("harness.stopped")) == 1
    assert left(tagged, stage) == {}


def test_a_model_server_that_is_gone_cannot_be_reached(stage, rig, tagged):
    needs(rig, "gone")
    stage.task("gone", *WRITE)
    stage.model.close()

    assert held_up(stage, rig, "gone", tagged) == ("unavailable", "unreachable")


def test_a_model_that_never_answers_is_stopped_by_the_stall_clock(stage, rig, tagged):
    needs(rig, "hang")
    stage.configure(rig, harness={"stall": "8s"})
    stage.task("hang", Read("README.md"), Silence())

    stage.until_idle(code=1)

    assert stage.ended("hang")["data"]["outcome"] == "stalled"
    assert left(tagged, stage) == {}


def test_a_stream_that_stands_still_ends_with_the_budget(stage, rig, tagged):
    needs(rig, "budget")
    stage.configure(rig, harness={"budget": "40s", "warn": "0s"})
    stage.task("budget", Create("new.txt", "fresh\n"), *[Stall()] * 9)

    stage.until_idle(code=1)

    ended = stage.ended("budget")
    assert ended["data"]["outcome"] == "timed_out"
    (salvage,) = stage.site.ask("salvage", "list")["salvages"]
    assert salvage["session"] == ended["session"]
    assert left(tagged, stage) == {}


def test_a_stream_that_is_cut_is_asked_for_again_or_told_as_no_finish(stage, rig):
    needs(rig, "cut")
    stage.configure(rig)
    stage.task("cut", Drop(), *WRITE)

    stage.site.start()
    ended = stage.site.wait_for("session.ended", task="cut")

    landed = "new.txt" in stage.site.git("ls-tree", "--name-only", "HEAD")
    assert (ended["data"]["outcome"] == "finished") == landed


def test_a_session_over_its_budget_goes_on_in_the_agents_own_session_next_time(stage, rig, tagged):
    needs(rig, "resume")
    stage.configure(
        rig, harness={"budget": "40s", "warn": "0s"}, retry={"attempts": 2, "backoff": "0s", "jitter": 0.0}
    )
    stage.task("resume", Create("new.txt", "fresh\n"), Silence(), COMMIT, Say("All done."))

    stage.until_idle()

    ends = [event["data"]["outcome"] for event in stage.site.events("session.ended")]
    assert ends == ["timed_out", "finished"]
    last = stage.model.of("resume")[-1]
    assert sum("script:resume" in text for text in last.texts) >= 2  # both briefs: the history came along
    assert stage.site.git("show", "HEAD:new.txt").strip() == "fresh"
    assert left(tagged, stage) == {}
