"""`leasehold task add`: the command line takes the words and numbers that files take."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.process


def test_a_priority_may_be_a_number_or_a_word_and_nought_counts_too(site):
    site.configure("", supervisor={"pool": False}, **{"sources.more": {"kind": "markdown", "path": "more"}})
    site.start()

    asked = {"word": "high", "number": "7", "below": "-3", "nought": "0"}
    for key, value in asked.items():
        site.run("task", "add", "A task", "--id", key, "--priority", value)
    refused = site.run("task", "add", "A task", "--priority", "soon", code=1)

    found = {task["id"]: task["priority"] for task in site.ask("task", "list")["tasks"]}
    assert found == {"word": 30, "number": 7, "below": -3, "nought": 0}
    assert "write a whole number" in refused.stderr


def test_a_lane_without_a_name_is_named_as_such(site):
    site.configure("")
    site.start()

    assert site.run("pause", "--lane", "").stdout == "lane (none) is held\n"
    assert site.run("drain").stdout == "draining; 0 sessions still running\n"


def test_a_task_that_is_added_in_one_of_several_repositories_is_of_that_one(site, tmp_path):
    other = tmp_path / "other"
    (other / "src").mkdir(parents=True)
    site.git("init", "-q", "-b", "main", str(other))
    site.git("-C", str(other), "commit", "-q", "--allow-empty", "-m", "Begin")
    site.configure("", **{"repos.other": {"path": str(other)}, "supervisor": {"pool": False}})
    site.start()
    config = ("-c", str(site.root / ".leasehold/config.toml"))

    def add(folder, *args, code=0):
        done = subprocess.run(
            site.command(*config, "task", "add", *args), cwd=folder, env=site.environ, text=True, capture_output=True
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    add(other / "src", "Inside", "--id", "inside", "--path", "src/a.txt")
    add(other, "Elsewhere", "--id", "elsewhere", "--repo", "site", "--path", "a.txt")
    nowhere = add(tmp_path, "Nowhere", "--path", "a.txt", code=1)
    none = add(tmp_path, "Of none", "--id", "none")

    assert site.ask("task", "show", "inside")["repo"] == "other"
    assert site.ask("task", "show", "elsewhere")["repo"] == "site"
    assert '"a.txt" is a path, but of no repository; name the repository (site, other)' in nowhere.stderr
    assert "none is of no repository, so it runs in none; --repo NAME makes it of one" in none.stderr
    assert site.run("task", "priority", "inside", "high").returncode == 0
    assert site.ask("task", "show", "inside")["priority"] == 30
    assert "urgent, high" in site.run("task", "priority", "inside", "soon", code=2).stderr


def test_who_gives_back_what_another_holds_is_told_who_that_is(site):
    site.task("a", "held.txt")
    site.configure("import signal; signal.pause()")
    site.start()
    session = site.wait_for("session.running")["session"]

    told = site.run("lease", "release", "held.txt").stdout

    assert told.startswith("no lease was given back: you hold nothing of that\n")
    assert f"held.txt is held by {session} for " in told
    assert f"`leasehold session stop {session}` ends it" in told
