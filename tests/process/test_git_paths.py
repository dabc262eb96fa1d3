"""Scopes as people write them, against real folders and links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.core.leases.scope import Kind, parse_scopes
from supervisor.world.git.paths import ScopePathError, resolve_scope_texts
from supervisor.world.git.repository import Repository

pytestmark = pytest.mark.process


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """Return a working tree with src/a.py, a folder of odd names, and links inside and out."""
    root = tmp_path / "repo"
    for name in ("src/a.py", "src/deep/b.py", "app/[id]/page.tsx", "od{d,}/x", "resource:x/y"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "outside").mkdir()
    (root / "inner").symlink_to("src/deep")
    (root / "latest.py").symlink_to("src/a.py")
    (root / "dangling").symlink_to("src/new.py")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    git_dir = root / ".git"
    return Repository(root, git_dir, git_dir, "main", fold_case=False, hooks=git_dir / "hooks", asked=root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src", "src/"),
        ("src/", "src/"),
        (".", "./"),
        ("src/..", "./"),
        ("inner", "src/deep/"),
        ("inner/b.py", "src/deep/b.py"),
        ("inner/new/c.py", "src/deep/new/c.py"),
        ("inner/..", "src/"),  # as the kernel walks, not as the text reads
        ("latest.py", "src/a.py"),
        ("dangling", "src/new.py"),
        ("new", "new"),
        ("new/", "new/"),
        ("src/*.py", "src/*.py"),
        ("inner/*.py", "src/deep/*.py"),
        ("inner/../*.py", "src/*.py"),
        ("**", "**"),
        ("src/**", "src/**"),
        ("**/*.py", "**/*.py"),
        ("app/[id]/page.tsx", r"app/\[id]/page.tsx"),
        (r"app/\[id]/*.tsx", r"app/\[id]/*.tsx"),
        ("app/[ix]/page.tsx", "app/[ix]/page.tsx"),
        ("od{d,}/x", r"od\{d,}/x"),
        ("./resource:x", "./resource:x/"),
        ("./resource:*", "./resource:*"),
        ("resource:port-5432", "resource:port-5432"),
        ("effect:gh/pr/12", "effect:gh/pr/12"),
    ],
)
def test_a_text_becomes_what_the_kernel_sees_and_parses(repo: Repository, text: str, expected: str) -> None:
    assert resolve_scope_texts(repo, [text]) == (expected,)
    assert len(parse_scopes(expected, "repo")) == 1


def test_absolute_paths_inside_the_repository_become_relative(repo: Repository) -> None:
    assert resolve_scope_texts(repo, [f"{repo.root}/src/a.py", str(repo.root)]) == ("src/a.py", "./")


def test_braces_are_resolved_one_by_one(repo: Repository) -> None:
    assert resolve_scope_texts(repo, ["{inner,src}/x", "src/{a,b}.py"]) == (
        "src/deep/x",
        "src/x",
        "src/a.py",
        "src/b.py",
    )


def test_texts_are_taken_from_the_folder_where_they_were_said(repo: Repository) -> None:
    texts = ["a.py", "../new", "deep", "*.py", "."]

    assert resolve_scope_texts(repo, texts, repo.root / "src") == (
        "src/a.py",
        "new",
        "src/deep/",
        "src/*.py",
        "src/",
    )


def test_duplicates_are_dropped(repo: Repository) -> None:
    assert resolve_scope_texts(repo, ["src/a.py", "latest.py", "./src/a.py"]) == ("src/a.py",)


def test_a_name_that_looks_like_a_resource_stays_a_path(repo: Repository) -> None:
    (text,) = resolve_scope_texts(repo, ["./resource:x/y"])

    (scope,) = parse_scopes(text, "repo")
    assert (scope.kind, scope.key) == (Kind.FILE, "resource:x/y")


def test_names_that_are_not_utf8_pass(repo: Repository) -> None:
    name = os.fsdecode(b"src/\xff")

    assert resolve_scope_texts(repo, [name]) == (name,)


@pytest.mark.parametrize("text", ["out/file", "out", "src/../out/x", "out/*.py", "{src,out}/x"])
def test_a_link_that_leaves_the_repository_is_named(repo: Repository, text: str) -> None:
    with pytest.raises(ScopePathError) as caught:
        resolve_scope_texts(repo, [text])

    said = str(caught.value)
    assert said.startswith(f'scope "{text}" leaves the repository {repo.root}: the link ')
    assert f"/out points to {repo.root.parent}/outside; name a path inside" in said


@pytest.mark.parametrize("text", ["../x", "/etc/passwd", "src/../../x", "/*", "{src,/etc}/x"])
def test_a_path_that_leaves_the_repository_is_refused(repo: Repository, text: str) -> None:
    with pytest.raises(ScopePathError, match=r"outside the repository .*; name a path inside it"):
        resolve_scope_texts(repo, [text])


@pytest.mark.parametrize("text", ["loop", "loop/x"])
def test_a_loop_of_links_is_refused(repo: Repository, text: str) -> None:
    with pytest.raises(ScopePathError, match=f"loop of symbolic links at {repo.root}/loop; mend"):
        resolve_scope_texts(repo, [text])


def test_a_name_too_long_for_any_file_system_is_no_crash(repo: Repository) -> None:
    name = "x" * 5000

    assert resolve_scope_texts(repo, [name]) == (name,)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_text_is_refused_and_never_taken_for_the_whole_repository(repo, text):
    with pytest.raises(ScopePathError, match=r'names no path; write "."'):
        resolve_scope_texts(repo, ["src/a.py", text])
