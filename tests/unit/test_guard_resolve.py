"""Where a path leads, seen from this process's own place: by the short way, and by the long one where that does not settle it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.guard.resolve import AT_FDCWD, Eyes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with links in it, in which this process works."""
    root = tmp_path / "root"
    (root / "src/deep").mkdir(parents=True)
    (root / "src/deep/file").touch()
    (root / "file").touch()
    (root / "link").symlink_to("src/deep/file")
    (root / "dangling").symlink_to("src/new")
    (root / "folder").symlink_to("src/deep")
    (root / "self").symlink_to("/proc/self/cwd/src")
    (root / "loop").symlink_to("loop")
    (tmp_path / "other").mkdir()
    (tmp_path / "in").symlink_to("root/src")
    monkeypatch.chdir(root)
    return root


# A path, where it leads when a link at its end is followed, and where when it is not; `None`: the call fails by itself.
PLACES = {
    "file": ("root/file", "root/file"),
    "new": ("root/new", "root/new"),
    "link": ("root/src/deep/file", "root/link"),
    "dangling": ("root/src/new", "root/dangling"),
    "loop": (None, "root/loop"),
    "folder": ("root/src/deep", "root/folder"),
    "src": ("root/src", "root/src"),
    "src/deep/file": ("root/src/deep/file", "root/src/deep/file"),
    "src/new": ("root/src/new", "root/src/new"),
    "src/deep/": ("root/src/deep", "root/src/deep"),
    "src/./new": ("root/src/new", "root/src/new"),
    "src//new": ("root/src/new", "root/src/new"),
    "src/../new": ("root/new", "root/new"),
    "src/.": ("root/src", "root/src"),
    "src/deep/..": ("root/src", "root/src"),
    "folder/file": ("root/src/deep/file", "root/src/deep/file"),
    "folder/new": ("root/src/deep/new", "root/src/deep/new"),
    "self/deep/file": ("root/src/deep/file", "root/src/deep/file"),
    "self/new": ("root/src/new", "root/src/new"),
    "nothing/new": (None, None),
    "file/new": (None, None),
    "loop/new": (None, None),
    "../other/new": ("other/new", "other/new"),
    "../in/deep/file": ("root/src/deep/file", "root/src/deep/file"),
    "../in/new": ("root/src/new", "root/src/new"),
    "../root/src/new": ("root/src/new", "root/src/new"),
}


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
@pytest.mark.parametrize("follow", [True, False], ids=["followed", "itself"])
@pytest.mark.parametrize("name", PLACES)
def test_a_path_leads_where_the_kernel_would_go(
    root: Path, name: str, *, follow: bool, absolute: bool
) -> None:
    path = f"{root}/{name}" if absolute else name

    found = Eyes(os.fsencode(root)).find(os.getpid(), AT_FDCWD, os.fsencode(path), follow=follow)

    expected = PLACES[name][0 if follow else 1]
    if expected is None:
        assert found is None
        return
    place = root.parent / expected
    assert found is not None
    assert os.fsdecode(found[0]) == str(place)
    status = place.lstat() if os.path.lexists(place) else None
    assert (found[1] and found[1].st_ino) == (status and status.st_ino)


def test_a_file_beyond_the_checkout_and_a_device_are_found_as_such(root: Path) -> None:
    eyes = Eyes(os.fsencode(root))

    beyond = eyes.find(os.getpid(), AT_FDCWD, b"/etc/hostname-of-nobody", follow=True)

    assert beyond == (b"/etc/hostname-of-nobody", None)
    assert eyes.find(os.getpid(), AT_FDCWD, b"/dev/null", follow=True) is None


def test_a_path_is_relative_to_the_descriptor_that_is_named(root: Path) -> None:
    fd = os.open(root / "src", os.O_PATH)
    try:
        found = Eyes(os.fsencode(root)).find(os.getpid(), fd, b"deep/file", follow=True)
    finally:
        os.close(fd)

    assert found is not None
    assert found[0] == os.fsencode(root / "src/deep/file")
