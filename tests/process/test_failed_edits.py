"""A lease that a hook was granted ends with an edit that failed or changed nothing."""

from __future__ import annotations

import sys
import textwrap

import pytest

from supervisor.daemon.equipping import hook_command

pytestmark = pytest.mark.process

HOOKED = f"""
import json, os, pathlib, signal, subprocess, sys
root = pathlib.Path(os.environ["LEASEHOLD_REPO"])

def hook(phase, **call):
    done = subprocess.run([*{list(hook_command())!r}, "claude", phase], input=json.dumps(call | {{"cwd": str(root)}}),
                          text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (0, ""), done

def edit(phase, path):
    hook(phase, tool_name="Edit", tool_input={{"file_path": path}})

def patch(phase, *paths):
    lines = ["*** Begin Patch", *(f"*** Update File: {{path}}" for path in paths), "*** End Patch"]
    hook(phase, tool_name="apply_patch", tool_input={{"command": "\\n".join(lines)}})

def lease(*words):
    subprocess.run([{sys.executable!r}, "-m", "supervisor.cli.main", "lease", *words], check=True)
"""


@pytest.fixture(params=["auto", "off"])
def held(request, site):
    """Return what runs such an agent under the guard and without, until its leases are as told; then it ends."""

    def run(script, expected):
        site.write("old.txt", "as it was\n")
        site.git("add", "old.txt")
        site.git("commit", "-qm", "Add a file", "--", "old.txt")
        site.task("a", expects="nothing")
        program = HOOKED + textwrap.dedent(script) + "\n(root / '.leasehold/up').touch()\nsignal.pause()\n"
        site.configure(program, guard={"mode": request.param}, supervisor={"pool": False})
        process = site.start()
        site.run("launch", "--task", "a")
        site.until((site.root / ".leasehold/up").exists, process)
        site.until(lambda: leases(site) == expected, process)
        (session,) = site.ask("session", "list")["sessions"]
        site.run("session", "kill", session["id"])
        site.wait_for("session.ended")
        site.end(process)

    return run


def leases(site):
    return {lease["scope"] for lease in site.ask("lease", "list")["leases"]}


def test_files_that_an_edit_left_as_committed_are_given_back_and_changed_ones_are_kept(held, site):
    held(
        """
        patch("before", "old.txt", "new.txt", "never.txt")
        (root / "new.txt").write_text("made")
        patch("after", "old.txt", "new.txt", "never.txt")
        """,
        {"new.txt"},
    )

    assert [event["data"]["count"] for event in site.events("lease.released")] == [2]


def test_an_edit_whose_failure_nobody_told_is_over_when_the_agent_stops(held):
    held('edit("before", "old.txt"); hook("stop")', set())


def test_what_the_session_held_before_stays_with_it(held):
    held(
        """
        lease("acquire", "old.txt")
        patch("before", "old.txt", "never.txt")
        patch("after", "old.txt", "never.txt")
        """,
        {"old.txt"},
    )


def test_what_the_session_asks_for_itself_stays_with_it(held, site):
    held(
        """
        edit("before", "old.txt")
        lease("acquire", "old.txt")
        edit("before", "never.txt")
        hook("stop")
        """,
        {"old.txt"},
    )
