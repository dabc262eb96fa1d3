"""What was counted before a session that goes on is handed to it, and believed only where it is numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supervisor.daemon.earlier_sums import sums_before, sums_of
from supervisor.world.harness.registry import find


def ended(folder: Path, printed: str) -> Path:
    (folder / "home").mkdir(parents=True)
    (folder / "out.log").write_text(printed)
    return folder


def told(cost: float) -> str:
    return json.dumps({"type": "result", "total_cost_usd": cost, "modelUsage": {"m": {"inputTokens": 7}}})


def test_the_last_sum_of_a_session_is_what_the_next_one_starts_from(tmp_path: Path) -> None:
    first = ended(tmp_path / "a", f"noise\n{told(0.5)}\n")
    (content,) = sums_before(find("claude"), first).values()
    second = ended(tmp_path / "b", "killed before it told\n")
    (second / "home/earlier").write_bytes(content)

    assert sums_of(second) == {"cost": 0.5, "tokens": 7}
    assert sums_before(find("claude"), second) == {"earlier": content}


def test_where_nothing_was_counted_nothing_is_handed_on(tmp_path: Path) -> None:
    assert sums_before(find("claude"), ended(tmp_path / "a", "noise\n")) == {}
    assert sums_before(find("claude"), tmp_path / "gone") == {}
    assert sums_before(find("codex"), ended(tmp_path / "b", told(0.5))) == {}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"sums": 3}', '{"sums": {"cost": "9"}}', '{"sums": {"cost": -1}}', '{"sums": {"cost": NaN}}', "[" * 9999]
)  # fmt: skip
def test_a_file_that_is_no_count_is_not_believed(tmp_path: Path, content: str) -> None:
    (ended(tmp_path / "a", "") / "home/earlier").write_text(content)

    assert sums_of(tmp_path / "a") is None
