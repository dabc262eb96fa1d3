"""`leasehold task add`: the command line takes the words and numbers that files take."""

from __future__ import annotations

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
