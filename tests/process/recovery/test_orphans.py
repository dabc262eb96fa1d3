"""Uncommitted files of nobody: held through a reload, and offered again when a hand-off failed."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process

FAIL = """
    raise SystemExit(1)
"""


def test_a_hand_off_that_failed_is_still_offered_after_a_restart(site):
    site.configure(FAIL, repo={"orphans": "hand-off"}, retry={"backoff": "10m"})
    site.write("left.txt", "half done")
    first = site.start()
    task = site.wait_for("session.ended")["task"]
    assert task.startswith("hand-off-")
    first.kill()
    first.wait()

    site.start()

    assert [shown["id"] for shown in site.ask("task", "list")["tasks"]] == [task]


def test_a_hand_off_whose_session_outlives_the_supervisor_stays_in_the_backlog(site):
    site.configure(WAIT, repo={"orphans": "hand-off"}, retry={"backoff": "10m"})
    site.write("left.txt", "half done")
    first = site.start()
    task = site.wait_for("session.running")["task"]
    first.kill()
    first.wait()

    site.start()

    assert [(shown["id"], shown["standing"]) for shown in site.ask("task", "list")["tasks"]] == [
        (task, "assigned")
    ]


def test_a_reload_keeps_orphans_from_those_who_wait_for_them(site):
    site.configure(WAIT)
    site.write("left.txt", "half done")
    site.write("more.txt", "half done")
    site.start()
    before = site.ask("lease", "list")["leases"]
    assert {lease["scope"] for lease in before} == {"left.txt", "more.txt"}
    waiting = subprocess.Popen(
        site.command("lease", "acquire", "left.txt", "--wait", "5m"), cwd=site.root, env=site.environ
    )
    site.wait_for("lease.waiting")

    site.run("reload")

    after = site.ask("lease", "list")["leases"]
    assert {(lease["scope"], lease["token"]) for lease in after} == {
        (lease["scope"], lease["token"]) for lease in before
    }
    waiting.kill()
    waiting.wait()


def test_a_session_of_a_repository_that_a_reload_removed_is_told_so(site):
    site.task("a", "a.txt")
    site.configure(WAIT)
    site.start()
    session = site.wait_for("session.running")["session"]
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text().replace("[repos.site]", "[repos.renamed]"))
    site.run("reload")
    spec = json.loads((site.root / f".leasehold/state/sessions/{session}/spec.json").read_text())
    environ = {name: value for name, value in spec["env"].items() if name.startswith("LEASEHOLD")}

    refused = site.run("lease", "acquire", "b.txt", code=1, **environ)

    assert 'repository "site" is no longer configured' in refused.stderr
