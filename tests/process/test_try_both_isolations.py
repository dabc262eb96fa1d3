"""The how-to that tries both isolations does what it says, with fewer tasks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.process.test_guard_session import leasehold_in

pytestmark = [pytest.mark.fleet, pytest.mark.process]

GUIDE = Path(__file__).parents[2] / "docs/how-to/try-both-isolations.md"
TASKS = 10


def blocks(kind: str) -> list[str]:
    """Return the code blocks of a kind in the how-to."""
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("isolation", "way"), [("shared", ""), ("worktree", "rebase"), ("worktree", "merge")]
)
def test_every_line_is_there_once_and_no_session_was_needed_twice(site, isolation, way):
    leasehold_in(site)
    make, agent, run = blocks("sh")
    (config,) = blocks("toml")
    make = make.replace("git init -q -b main try && cd try\n", "").replace("seq 0 29", f"seq 0 {TASKS - 1}")
    wanted = f'isolation = "{isolation}"' + (f'\nintegrate = "{way}"' if way else "")
    site.write("agent.sh", agent)
    site.write(".leasehold/config.toml", config.replace('isolation = "shared"', wanted))

    for script in (make, run):
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=site.root,
            env=site.environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    ends = [event["data"]["sentence"] for event in site.events("session.ended")]
    assert len(ends) == TASKS, ends
    assert {event["data"]["outcome"] for event in site.events("session.ended")} == {"finished"}
    lines = [
        (path.name, line) for path in site.root.glob("shared*.txt") for line in path.read_text().splitlines()
    ]
    wanted_lines = [(f"shared{at}.txt", "begin") for at in range(5)]
    wanted_lines += [
        (f"shared{(number + step) % 5}.txt", f"task {number}") for number in range(TASKS) for step in (0, 1)
    ]
    assert sorted(lines) == sorted(wanted_lines)
    assert site.git("fsck", "--no-dangling") == ""
    assert site.git("status", "--porcelain") == ""
    assert bool(site.git("rev-list", "--merges", "main")) == (way == "merge")
