"""A session's processes are told from those of another installation by what they show."""

from __future__ import annotations

import pytest

from supervisor.world.launch import mark
from supervisor.world.launch.mark import Mark

PID = 1 << 22  # no process has it


@pytest.fixture
def shows(monkeypatch):
    """Let a process show these environments, one at each look; then it is gone."""

    def show(*environments: str) -> None:
        left = [f"\0{text}\0".encode() for text in environments]
        monkeypatch.setattr(mark, "environ", lambda _pid: left.pop(0) if left else b"")

    return show


def test_a_process_that_leaves_while_it_is_looked_at_is_not_another_installations(tmp_path, shows):
    shows("LEASEHOLD_SESSION=s1")
    assert not Mark("s1", tmp_path / "s1").is_anothers(PID)


@pytest.mark.parametrize(("place", "is_anothers"), [("here", False), ("there", True), ("gone", False)])
def test_a_process_is_another_installations_if_the_folder_that_it_names_is_there_and_not_ours(
    tmp_path, shows, place, is_anothers
):
    for name in ("here", "there"):
        (tmp_path / name / "s1").mkdir(parents=True)

    shows(f"LEASEHOLD_SESSION=s1\0LEASEHOLD_NOTICE={tmp_path}/{place}/s1/notice")
    assert Mark("s1", tmp_path / "here/s1").is_anothers(PID) is is_anothers
