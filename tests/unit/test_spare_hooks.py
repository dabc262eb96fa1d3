"""Hooks that appear while a guarded session runs."""

from __future__ import annotations

import os

import pytest

from workers.guard.spare_hooks import SpareHooks


@pytest.fixture
def place(tmp_path):
    for name in ("git/hooks", "own", "spare", "folder"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "git/config").write_text("")
    (tmp_path / "spare/hook").write_text("")
    for name in ("pre-commit", "post-commit", "commit-msg"):
        (tmp_path / "spare" / name).symlink_to("hook")
    (tmp_path / "folder/commit-msg").symlink_to("hook")
    return tmp_path


def watch(place):
    return SpareHooks(*(str(place / name) for name in ("folder", "spare", "own", "git")))


def links(place):
    return sorted(path.name for path in (place / "folder").iterdir())


def test_a_hook_that_is_installed_gets_its_link_and_no_other_does(place):
    spare = watch(place)
    spare.mend()
    assert links(place) == ["commit-msg"]

    (place / "own/pre-commit").write_text("#!/bin/sh\n")
    spare.mend()
    assert links(place) == ["commit-msg"]  # git passes over what is not executable

    (place / "own/pre-commit").chmod(0o755)
    spare.mend()
    assert links(place) == ["commit-msg", "pre-commit"]
    assert (place / "folder/pre-commit").readlink().name == "hook"


def test_a_changed_configuration_may_name_another_folder_so_all_links_are_put_in(place):
    spare = watch(place)
    os.utime(place / "git/config", ns=(1, 1))

    spare.mend()

    assert links(place) == ["commit-msg", "post-commit", "pre-commit"]


def test_a_link_that_another_session_put_in_is_left(place):
    spare, other = watch(place), watch(place)
    (place / "own/post-commit").write_text("#!/bin/sh\n")
    (place / "own/post-commit").chmod(0o755)

    other.mend()
    spare.mend()

    assert links(place) == ["commit-msg", "post-commit"]
