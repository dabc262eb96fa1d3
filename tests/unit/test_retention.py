"""Which folders of ended sessions are removed."""

from __future__ import annotations

import os

import pytest

from supervisor.daemon.retention import remove_folders


@pytest.fixture
def folders(tmp_path):
    """Make folders of sessions that ended at 1, 2, 3, … with 64 KiB of output each, and one that lives."""
    for number in range(1, 6):
        folder = tmp_path / f"s{number}"
        folder.mkdir()
        (folder / "out.log").write_bytes(b"x" * 65536)
        (folder / "exit.json").write_text("{}")
        os.utime(folder / "exit.json", (number, number))
    (tmp_path / "alive").mkdir()
    return tmp_path


def left(folders):
    return sorted(folder.name for folder in folders.iterdir())


def test_folders_of_sessions_that_ended_long_ago_are_removed(folders):
    assert remove_folders(folders, 3.0, 1 << 30, {"s1"}) == 1
    assert left(folders) == ["alive", "s1", "s3", "s4", "s5"]


def test_the_oldest_folders_go_where_all_take_too_much(folders):
    assert remove_folders(folders, 0.0, 3 * 65536, set()) == 3
    assert left(folders) == ["alive", "s4", "s5"]


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    assert remove_folders(tmp_path / "none", 1.0, 0, set()) == 0
