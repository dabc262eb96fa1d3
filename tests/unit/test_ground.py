"""Which folders belong to the work tree that leases cover."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.guard.ground import Ground


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app/sub/deep").mkdir(parents=True)
    return tmp_path / "app"


def is_home_of(root: Path, folder: str) -> bool:
    return Ground(os.fsencode(root)).is_home_of(os.fsencode(root / folder))


def make_repository(at: Path) -> None:
    for name in ("objects", "refs"):
        (at / name).mkdir(parents=True)
    (at / "HEAD").write_text("ref: refs/heads/main\n")


def test_a_folder_of_the_work_tree_is_at_home(root: Path) -> None:
    assert is_home_of(root, "sub/deep")
    assert not Ground(os.fsencode(root)).is_home_of(os.fsencode(root.parent))


def test_a_repository_inside_is_another_one(root: Path) -> None:
    make_repository(root / "sub/.git")

    assert not is_home_of(root, "sub/deep")


def test_a_file_that_leads_to_a_repository_makes_another_one(root: Path) -> None:
    (root / "sub/.git").write_text("gitdir: /elsewhere\n")

    assert not is_home_of(root, "sub/deep")


def test_a_link_to_a_repository_makes_another_one(root: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "other")
    (root / "sub/.git").symlink_to(tmp_path / "other")

    assert not is_home_of(root, "sub/deep")


@pytest.mark.parametrize("within", [(), ("HEAD",), ("objects", "refs")])
def test_a_folder_of_that_name_that_is_no_repository_is_passed_over_as_git_does(
    root: Path, within: tuple[str, ...]
) -> None:
    for name in ("", *within):
        (root / "sub/.git" / name).mkdir()

    assert is_home_of(root, "sub/deep")


def test_a_link_that_leads_nowhere_is_passed_over_as_git_does(root: Path) -> None:
    (root / "sub/.git").symlink_to("nothing")

    assert is_home_of(root, "sub/deep")
