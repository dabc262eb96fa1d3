"""What the tests of listening start from."""

from __future__ import annotations

import textwrap

import pytest

from tests.process.listening.talk import CLAUDE, TALK


@pytest.fixture
def talk(site):
    """Return what runs one session of an agent that talks like Claude Code, and returns how it ended."""

    def run(script: str, /, **harness):
        site.task("a", "a.txt")
        site.configure(TALK + textwrap.dedent(script), harness=CLAUDE | harness, retry={"attempts": 1})
        process = site.start()
        ended = site.wait_for("session.ended")
        site.end(process)
        return ended["data"]

    return run
