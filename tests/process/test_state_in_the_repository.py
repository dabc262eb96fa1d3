"""A state directory in the checkout that git is not told to ignore: it is nobody's work, and it has secrets."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.process

AGENT = """
    import os, pathlib
    pathlib.Path(os.environ["LEASEHOLD_REPO"], "left.txt").write_text("unfinished")
    raise SystemExit(3)
"""


def test_promise_10_a_salvage_has_the_work_and_nothing_of_the_supervisors_own_state(site):
    site.configure(AGENT, retry={"attempts": 1})
    (site.root / ".leasehold/.gitignore").unlink()
    site.task("a")

    site.until_idle(code=None)

    [salvage] = site.ask("salvage", "list")["salvages"]
    kept = site.git("show", "--name-only", "--format=", salvage["ref"]).split()
    assert "left.txt" in kept
    assert not [path for path in kept if path.startswith(".leasehold/state/")]


def test_state_in_the_checkout_is_never_taken_for_work_left_behind(site):
    site.configure(AGENT, repo={"orphans": "salvage"})
    (site.root / ".leasehold/.gitignore").unlink()
    site.write("orphan.txt", "of nobody\n")

    site.until_idle(code=None)

    [event] = site.events("worktree.salvaged")
    told = str(event["data"])
    assert "orphan.txt" in told
    assert ".leasehold/state" not in told
    assert (site.root / ".leasehold/state/journal.db").exists()
    assert (site.root / ".leasehold/state/hooks").is_dir()
