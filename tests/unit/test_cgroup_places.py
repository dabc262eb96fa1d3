"""Where groups of ours could be made, read from what the kernel shows of mounts and of our own place."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.world.cgroups import group
from supervisor.world.cgroups.hierarchy import CgroupError, Hierarchy, look, mortal, places, unit_around

V1 = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"


def proc(tmp_path: Path, mounts: str, inside: str) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mounts").write_text(f"proc /proc proc rw 0 0\n{mounts}")
    (tmp_path / "self/cgroup").write_text(inside)
    return tmp_path


def test_our_own_group_is_found_below_the_mount(tmp_path):
    found = look(proc(tmp_path, V2, "0::/user.slice/session-3.scope\n"))

    assert found == Hierarchy(Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/user.slice/session-3.scope"))


def test_a_hierarchy_beside_version_1_is_found_where_it_is_mounted(tmp_path):
    mounts = V1 + "cgroup2 /sys/fs/cgroup/un\\040ified cgroup2 rw 0 0\n"

    assert look(proc(tmp_path, mounts, "4:memory:/x\n0::/\n")).own == Path("/sys/fs/cgroup/un ified")


@pytest.mark.parametrize(
    ("mounts", "inside", "why"),
    [
        (V1, "0::/\n", "no cgroup2 file system is mounted"),
        (V2, "4:memory:/x\n", "in no cgroup of version 2"),
        (V2, "0::/../outside\n", "outside of its cgroup namespace"),
    ],
)
def test_what_is_missing_is_said(tmp_path, mounts, inside, why):
    with pytest.raises(CgroupError, match=why):
        look(proc(tmp_path, mounts, inside))


def test_the_highest_place_comes_first():
    here = Hierarchy(Path("/c"), Path("/c/user.slice/user@7.service/app.slice/term.scope"))

    assert places(here) == [
        Path("/c"),
        Path("/c/user.slice"),
        Path("/c/user.slice/user@7.service"),
        Path("/c/user.slice/user@7.service/app.slice"),
        Path("/c/user.slice/user@7.service/app.slice/term.scope"),
    ]


def test_a_supervisor_inside_a_session_stays_inside_it():
    here = Hierarchy(Path("/c"), Path("/c/leasehold-0a1b/s1/tree"))

    assert places(here) == [Path("/c/leasehold-0a1b/s1/tree")]


@pytest.mark.parametrize(
    ("place", "unit"),
    [
        ("/c", None),
        ("/c/user.slice/user@7.service", None),
        ("/c/user.slice/user@7.service/app.slice/term.scope", "term.scope"),
        ("/c/system.slice/leasehold.service", "leasehold.service"),
    ],
)
def test_a_place_inside_a_unit_ends_with_it_but_for_the_users_manager(place, unit):
    assert mortal(Hierarchy(Path("/c"), Path("/c")), Path(place)) == unit


def test_without_cgroups_there_is_no_unit_around(tmp_path):
    assert unit_around(proc(tmp_path, V1, "4:memory:/x\n")) is None


def test_a_group_that_is_not_there_is_empty(tmp_path):
    assert not group.populated(tmp_path / "gone")
    assert group.members(tmp_path / "gone") == []


def test_numbers_are_read_from_the_events_of_a_group(tmp_path):
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")

    assert group.count(tmp_path, "memory.events", "oom_kill") == 2
    assert group.count(tmp_path, "memory.events", "absent") == 0
    assert group.count(tmp_path, "pids.events", "max") == 0


def test_a_limit_is_never_written_where_its_controller_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError):
        group.limit(tmp_path, "memory", 1)

    assert list(tmp_path.iterdir()) == []


def test_a_limit_is_written_where_its_controller_is(tmp_path):
    (tmp_path / "pids.max").write_text("max")

    group.limit(tmp_path, "pids", 21)

    assert (tmp_path / "pids.max").read_text().startswith("21")
