"""An agent that does not run the hooks it was given is told from one whose hooks are heard."""

from __future__ import annotations

import signal
import sys
import textwrap

import pytest

from tests.process.listening.talk import TALK

pytestmark = pytest.mark.process

EDIT = """
def edit(number=1):
    turn(number, type="tool_use", id=f"t{number}", name="Edit", input={"file_path": "a.txt"})
    say(type="user", message={"content": [{"type": "tool_result", "tool_use_id": f"t{number}", "content": "ok"}]})

def hook(event):
    with open(sys.argv[sys.argv.index("--settings") + 1]) as file:
        command = json.load(file)["hooks"][event][0]["hooks"][0]["command"]
    subprocess.run(command, shell=True, input="{}", text=True, check=True)
"""


@pytest.fixture
def fake(site):
    """Return what configures an agent that takes itself for Claude Code, and starts the supervisor."""

    def start(script, **harness):
        site.task("a", "a.txt", harness="fake")
        program = [sys.executable, str(site.root / ".leasehold/agent.py")]
        site.configure(
            TALK + EDIT + textwrap.dedent(script),
            retry={"attempts": 1},
            **{
                "harness.fake": {"adapter": "claude", "program": program, "budget": "5m", "grace": "1s"}
                | harness
            },
        )
        return site.start()

    return start


def test_hooks_that_never_spoke_though_files_were_edited_are_an_event_a_warning_and_a_line(fake, site):
    process = fake("init(); edit(); commit(); done()")
    ended = site.wait_for("session.ended")
    shown = site.run("session", "show", ended["session"]).stdout
    site.end(process)

    (event,) = site.events("session.unhooked")
    assert event["session"] == ended["session"]
    assert event["data"]["harness"] == "fake"
    assert event["data"]["why"].startswith("harness fake edited files and did not run the hooks it was given")
    assert "leasehold doctor" in event["data"]["why"]
    assert ended["data"]["evidence"]["heard"]["hooks"] == "silent"
    assert "never ran the hooks" in shown
    assert "session.unhooked" in site.log()
    assert "harness.fake.hooks = false" in site.log()


def test_it_is_said_at_the_turn_after_the_edit_and_not_only_at_the_end(fake, site):
    process = fake(
        """
        init(); edit()
        for number in range(2, 100_000):
            turn(number); time.sleep(0.1)
        """
    )
    event = site.wait_for("session.unhooked")
    shown = site.ask("session", "show", event["session"])
    site.run("session", "kill", event["session"])
    site.wait_for("session.ended")
    site.end(process)

    assert shown["heard"]["hooks"] == "silent"
    assert len(site.events("session.unhooked")) == 1


def test_hooks_that_spoke_are_not_missed(fake, site):
    process = fake("init(); hook('SessionStart'); edit(); commit(); done()")
    ended = site.wait_for("session.ended")
    site.end(process)

    assert len(site.events("session.hooked")) == 1
    assert site.events("session.unhooked") == []
    assert ended["data"]["evidence"]["heard"]["hooks"] == "spoke"


@pytest.mark.parametrize(("script", "harness"), [("turn()", {}), ("edit()", {"hooks": False})])
def test_an_agent_that_edited_nothing_or_was_given_no_hooks_is_not_said_to_miss_them(
    site, fake, script, harness
):
    process = fake(f"init(); {script}; commit(); done()", **harness)
    site.wait_for("session.ended")
    site.end(process)

    assert site.events("session.unhooked") == []


def test_of_a_session_that_was_taken_over_nobody_says_that_its_hooks_never_spoke(fake, site):
    first = fake(
        """
        init(); hook("SessionStart"); turn(1)
        while not os.path.exists(".leasehold/go"):
            time.sleep(0.05)
        edit(2); turn(3); commit(); done()
        """
    )
    site.wait_for("session.model")
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = site.start()
    site.wait_for("session.adopted")
    site.write(".leasehold/go", "")
    ended = site.wait_for("session.ended")
    site.end(second)

    assert ended["data"]["outcome"] == "finished"
    assert ended["data"]["evidence"]["heard"]["files"] == ["a.txt"]
    assert site.events("session.unhooked") == []
