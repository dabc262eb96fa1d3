"""Sessions of different agents at once in one checkout, whose tasks converge on the same file."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from tests.harness.conftest import left
from tests.harness.model.script import Create, Edit, Insist, Meet, Read, Say, Shell
from tests.harness.rigs import RIGS

SESSIONS = 4
# What each refusal tells the model to do. By its full path: some agents' shells begin with a PATH of their own.
WAIT = f"{Path(sys.executable).parent}/leasehold lease acquire shared.txt --wait 1m"
TASKS = 8


def converge(stage, name: str, *, racing: bool) -> tuple[object, ...]:
    """Return the turns of a task that adds its line to a file that all want, and makes one of its own."""
    edit = Edit("shared.txt", "END", f"{name}\nEND")
    meet = Meet("tried", SESSIONS) if racing else None
    begin = (Read("shared.txt"), Meet("begin", SESSIONS)) if racing else ()
    return (
        *begin,
        Insist((Read("shared.txt"), edit), meet=meet, again=(Shell(WAIT),)),
        Create(f"{name}.txt", f"{name}\n"),
        Insist(
            (Shell(f"git add {name}.txt shared.txt && git commit -qm 'Do {name}' -- {name}.txt shared.txt"),)
        ),
        Say("All done."),
    )


def test_four_sessions_of_different_agents_converge_on_one_file_and_nothing_is_lost(stage, tagged, request):
    rigs = stage.available(*RIGS.values())
    if len(rigs) < 3:
        pytest.skip(f"only {', '.join(rig.name for rig in rigs) or 'none'} of the agents can be had here")
    stage.configure(*rigs, supervisor={"max_sessions": SESSIONS}, guard={"wait": "500ms"})
    stage.site.write("shared.txt", "BEGIN\nEND\n")
    stage.site.git("add", "shared.txt")
    stage.site.git("commit", "-qm", "Shared")
    names = [
        f"t{number}-{rig.name}" for number, rig in zip(range(TASKS), itertools.cycle(rigs), strict=False)
    ]
    for number, name in enumerate(names):
        racing = number < SESSIONS
        stage.task(
            name,
            *converge(stage, name, racing=racing),
            harness=name.partition("-")[2],
            priority=TASKS - number,
        )

    stage.until_idle()

    # Every task once, and no update lost.
    ends = stage.site.events("session.ended")
    assert sorted(event["task"] for event in ends) == sorted(names)
    assert {event["data"]["outcome"] for event in ends} == {"finished"}
    lines = stage.site.git("show", "HEAD:shared.txt").split()
    assert sorted(lines) == sorted(["BEGIN", "END", *names])
    assert stage.site.git("status", "--porcelain", "shared.txt") == ""
    # Every commit is of the session of its task, with nothing of anybody else in it.
    by_task = {event["task"]: event["session"] for event in ends}
    for name in names:
        sha = stage.site.git("log", "--format=%H", f"--grep=^Do {name}$").strip()
        trailer = "--format=%(trailers:key=Leasehold-Session,valueonly)"
        assert stage.site.git("show", "-s", trailer, sha).split() == [by_task[name]]
        assert set(stage.site.git("show", "--format=", "--name-only", sha).split()) == {
            f"{name}.txt",
            "shared.txt",
        }
        assert f"+{name}\n" in stage.site.git("show", "--format=", sha, "--", "shared.txt")
    # Each refusal was seen by the model whose session it was.
    refused = {event["task"] for event in stage.site.events("write.refused")}
    assert len(refused & set(names[:SESSIONS])) >= SESSIONS - 1
    for name in refused:
        told = stage.model.told(name).lower()
        words = ("lease denied", "busy", "failed to write")  # of the agent's hook, the kernel, and Codex
        assert any(word in told for word in words), f"{name} was told: {told}"
    assert left(tagged, stage) == {}
    stage.show()
