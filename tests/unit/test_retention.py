"""Which folders of ended sessions are removed."""

from __future__ import annotations

import fcntl
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


def test_a_session_that_left_no_record_goes_once_it_is_old_and_never_for_want_of_room(folders):
    for number in (1, 4):
        (folders / f"s{number}/exit.json").unlink()
        for path in (folders / f"s{number}/out.log", folders / f"s{number}"):
            os.utime(path, (number, number))

    assert remove_folders(folders, 3.0, 1, set()) == 4
    assert left(folders) == ["alive", "s4"]


def test_a_folder_that_somebody_made_a_link_is_left_alone_and_in_nobodys_way(folders, tmp_path):
    elsewhere = tmp_path.parent / "elsewhere"
    (folders / "s1").rename(elsewhere)
    (folders / "s1").symlink_to(elsewhere)

    assert remove_folders(folders, 3.0, 1 << 30, set()) == 1
    assert (elsewhere / "exit.json").exists()


def test_a_folder_whose_lock_is_held_is_never_removed(folders):
    with (folders / "s1/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert remove_folders(folders, 3.0, 1 << 30, set()) == 1
        assert "s1" in left(folders)


def test_the_oldest_folders_go_where_all_take_too_much(folders):
    assert remove_folders(folders, 0.0, 3 * 65536, set()) == 3
    assert left(folders) == ["alive", "s4", "s5"]


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    assert remove_folders(tmp_path / "none", 1.0, 0, set()) == 0
