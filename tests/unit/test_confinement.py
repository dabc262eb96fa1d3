"""Which paths a confined session may write, which rights the kernel can hold back, and what is refused."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from supervisor.core.sessions.brief import Brief, render
from supervisor.core.tasks.task import Task
from supervisor.world.launch.confinement import Apart, temporary, writable
from supervisor.world.launch.launcher import LaunchError
from workers.guard.landlock import held
from workers.session.command import Command, confine_refused, explain

REFER, TRUNCATE, WRITE_FILE, MAKE_REG = 1 << 13, 1 << 14, 1 << 1, 1 << 8


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    """Return a checkout and a folder of work trees, both below one folder."""
    made = Apart(tmp_path / "home/checkout", tmp_path / "home/state/worktrees/app")
    made.checkout.mkdir(parents=True)
    made.others.mkdir(parents=True)
    return made


def test_a_session_may_write_what_is_its_own_and_temporary_files_and_what_is_configured(
    apart: Apart, tmp_path: Path
) -> None:
    own = apart.others / "k3f9x2"
    (tmp_path / "t").mkdir()

    found = writable((own, own), (tmp_path / "cache",), apart, {"TMPDIR": str(tmp_path / "t")})

    assert found == (own, tmp_path / "t", tmp_path / "cache")


@pytest.mark.parametrize("chosen", ["", "relative", "/no/such/folder"])
def test_without_a_usable_tmpdir_programs_use_the_common_folders(chosen: str) -> None:
    assert Path("/tmp") in temporary({"TMPDIR": chosen})


@pytest.mark.parametrize("place", ["home", "home/checkout", "home/state", "home/state/worktrees/app"])
def test_a_place_with_what_is_to_be_kept_apart_in_it_is_refused(
    apart: Apart, tmp_path: Path, place: str
) -> None:
    (tmp_path / "t").mkdir()

    with pytest.raises(LaunchError, match=f"confine_writable names {tmp_path}/{place}, which has .* in it"):
        writable((), (tmp_path / place,), apart, {"TMPDIR": str(tmp_path / "t")})
    with pytest.raises(
        LaunchError, match=rf"temporary files in {tmp_path}/{place}.* set TMPDIR in its harness"
    ):
        writable((), (), apart, {"TMPDIR": str(tmp_path / place)})


def test_a_link_to_a_place_is_that_place(apart: Apart, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "home")

    with pytest.raises(LaunchError, match="temporary files"):
        writable((), (), apart, {"TMPDIR": str(tmp_path / "link")})


def test_a_folder_inside_the_checkout_may_be_named(apart: Apart, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    cache = apart.checkout / "node_modules"

    assert cache in writable((), (cache,), apart, {"TMPDIR": str(tmp_path / "t")})


def test_a_kernel_is_asked_only_for_rights_that_its_abi_knows() -> None:
    assert [bool(held(version) & REFER) for version in (1, 2, 3, 7)] == [False, True, True, True]
    assert [bool(held(version) & TRUNCATE) for version in (1, 2, 3, 7)] == [False, False, True, True]
    assert all(held(version) & WRITE_FILE and held(version) & MAKE_REG for version in (1, 7))
    # Programs may be run, and everything read: those rights are not held back.
    assert held(7) & (1 << 0 | 1 << 2 | 1 << 3) == 0


def test_why_a_session_is_not_confined_is_a_sentence() -> None:
    command = Command("/bin/x", ["x"], {}, "/home")

    assert explain(command, "confine", errno.E2BIG) == confine_refused(errno.E2BIG)
    assert confine_refused(errno.EACCES, "/srv/x").endswith(
        '"/srv/x" cannot be looked at (permission denied)'
    )


def test_a_brief_says_where_a_confined_session_may_write() -> None:
    brief = Brief(
        "k3f9x2", Task("a", "tasks", "A", repo="app"), 0.0, 60.0, "worktree", branch="leasehold/k3f9x2"
    )
    where = Brief(**{name: getattr(brief, name) for name in Brief.__slots__} | {"writable": ("/w", "/tmp")})

    assert "confined" not in render(brief)
    assert '- you are confined: outside /w, /tmp a write fails with "Permission denied"' in render(where)
