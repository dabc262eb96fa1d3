"""Grades of real sessions: by evidence, by a grader, and after a revert; and a journal from before there were any."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.process.cgroups import needs_cgroup

pytestmark = pytest.mark.process

WORKS = """
    import os, pathlib, subprocess, sys
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    if task == "fails":
        sys.exit(1)
    pathlib.Path(task + ".txt").write_text(task)
    subprocess.run(["git", "add", task + ".txt"], check=True)
    subprocess.run(["git", "commit", "-qm", "Do " + task, "--", task + ".txt"], check=True)
"""


def test_the_report_shows_grades_and_says_the_same_as_json(site):
    site.task("works", "works.txt", category="docs")
    site.task("fails", "fails.txt")
    site.configure(WORKS, harness={"model": "sonnet-4", "tier": "sonnet"}, retry={"attempts": 1})

    site.until_idle(code=None)

    found = site.ask("report")
    (harness,) = found["by_harness"]
    assert harness["told"] == "[sonnet=0.45/50%(n=2)]"
    assert harness["grade"] == {"mean": 0.45, "pass_share": 0.5, "n": 2}
    text = site.run("report").stdout
    assert harness["told"] in text
    assert "sonnet-4" in text
    assert "docs" in text
    shown = site.ask("session", "show", "works")
    assert shown["grade"]["value"] == 0.9
    assert {event["task"]: event["data"]["grade"] for event in site.events("session.ended")} == {
        "works": 0.9,
        "fails": 0.0,
    }


def test_a_commit_that_is_reverted_takes_most_of_its_sessions_grade(site):
    site.task("works", "works.txt")
    site.configure(WORKS)
    site.until_idle()
    site.git("revert", "--no-edit", "HEAD")

    site.start()  # looks for reverts
    event = site.wait_for("session.graded", task="works")

    assert event["data"]["before"] == 0.9
    assert (event["data"]["value"], event["data"]["reverted"]) == (0.18, 1)
    site.until(lambda: site.ask("report")["by_harness"][0]["grade"]["mean"] == 0.18)
    site.end(site.running[-1])
    assert site.ask("session", "show", "works")["grade"]["value"] == 0.18


@pytest.mark.parametrize(
    ("grader", "value", "why"),
    [
        ("print(json.dumps({'grade': 0.7, 'why': told['outcome'] + ' ' + told['title']}))", 0.7, "finished Do works"),
        ("print(0.25)", 0.25, ""),
        ("print(7)", 0.9, None),
        ("sys.exit('no idea')", 0.9, None),
        ("print('[' * 60_000)", 0.9, None),
        (r"""print(r'{"grade": 0.5, "why": "half of it: \ud800"}')""", 0.5, "half of it: ?"),
    ],
)  # fmt: skip
def test_a_grader_has_the_last_word_on_the_work_unless_it_has_none(site, grader, value, why):
    site.task("works", "works.txt")
    program = site.write(
        ".leasehold/grade.py",
        f"import json, os, sys\ntold = json.load(open(os.environ['LEASEHOLD_EVIDENCE']))\n{grader}\n",
    )
    site.configure(WORKS, grading={"command": [sys.executable, str(program)]})

    done = site.until_idle()

    shown = site.ask("session", "show", "works")["grade"]
    assert shown["value"] == value
    if why is None:
        assert shown["by"] == "evidence"
        assert "grader.failed" in done.stderr
    else:
        assert (shown["by"], shown["why"]) == ("command", why)


@needs_cgroup  # its session was started in one, so nothing else can tell that it is gone
def test_a_journal_of_the_second_schema_opens_and_its_sessions_have_no_grade(site):
    """The file was written by a supervisor of that schema, which was killed while a session ran."""
    site.configure(WORKS, supervisor={"pool": False})
    state = site.root / ".leasehold/state"
    state.mkdir()
    shutil.copy(Path(__file__).parent / "journal/earlier/schema-2.db", state / "journal.db")

    site.start()
    site.wait_for("session.ended", session="25726980")

    found = {
        row["id"]: (row["outcome"], row["grade"]) for row in site.ask("session", "list", "--all")["sessions"]
    }
    assert found.pop("25726980")[0] in {"lost", "unspawned"}  # it was alive; its folder is not here
    assert found == {
        "115f5106": ("failed", None),
        "5282bd19": ("finished", None),
        "8a4e5673": ("finished", None),
    }
    assert site.ask("report")["by_harness"][0]["told"] == "[sonnet=-(n=0)]"
    assert (state / "journal.db.schema-2").exists()
    assert json.loads(site.run("task", "show", "later", "--json").stdout)["standing"] == "done"


def test_work_that_passed_the_repositorys_check_has_the_full_grade_until_it_is_reverted(site):
    site.task("works", "works.txt")
    site.configure(WORKS, repo={"isolation": "worktree", "check": ["true"]})
    site.until_idle()
    assert site.ask("session", "show", "works")["grade"]["value"] == 1.0
    site.git("revert", "--no-edit", "HEAD")

    site.start()

    assert site.wait_for("session.graded", task="works")["data"]["value"] == 0.2
