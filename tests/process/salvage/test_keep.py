"""Promise 10 in the repository: every kind of uncommitted change is kept, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import open_repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import REFS, find, keep
from supervisor.world.git.salvage.message import Label
from tests.process.salvage.checkout import Checkout, label, open_repository_of
from tests.process.salvage.kinds import KINDS, modified, staged_and_changed_again

pytestmark = pytest.mark.process


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.asyncio
async def test_no_work_is_lost_whatever_its_kind_and_the_checkout_stays_as_it_was(
    checkout: Checkout, kind: Callable[[Checkout], None], tmp_path: Path
) -> None:
    kind(checkout)
    repo = await open_repository_of(checkout)
    paths = [file.path for file in await dirty(repo)]
    before = checkout.seen()

    kept, snapshot = await keep(repo, "s1", label(*paths))

    assert checkout.seen() == before
    assert kept is not None
    assert snapshot.unkept == {}
    assert await find(repo, "s1") == kept
    assert checkout.git("fsck", "--strict", "--no-dangling") == b""
    restored = tmp_path / "copy"  # as long a path as the checkout has
    checkout.git("worktree", "add", "-q", "--no-checkout", "--detach", str(restored), kept.commit)
    subprocess.run(
        ["git", "-c", "core.hooksPath=/dev/null", "checkout", "-q", "-f", "--detach", kept.commit],
        cwd=restored,
        check=True,
    )
    for path in paths:
        here, there = os.path.join(checkout.root, path), os.path.join(restored, path)
        assert os.path.lexists(here) == os.path.lexists(there) or behind_link(checkout.root, path), path
        if os.path.islink(here):
            assert os.readlink(there) == os.readlink(here)
        elif os.path.isfile(here) and not behind_link(checkout.root, path):
            assert Path(there).read_bytes() == Path(here).read_bytes(), path
            assert os.access(there, os.X_OK) == os.access(here, os.X_OK)


def behind_link(root: Path, path: str) -> bool:
    return any((root / parent).is_symlink() for parent in Path(path).parents)


@pytest.mark.asyncio
async def test_staged_versions_that_differ_from_the_work_tree_are_the_second_parent(checkout):
    staged_and_changed_again(checkout)
    repo = await open_repository(checkout.root)

    kept, _ = await keep(repo, "s1", label("a.txt"))

    assert kept is not None
    assert checkout.version(kept.commit, "a.txt") == b"and again\n"
    assert checkout.version(f"{kept.commit}^2", "a.txt") == b"staged\n"
    assert checkout.git("rev-parse", f"{kept.commit}^1", f"{kept.commit}^2^") == checkout.git(
        "rev-parse", "HEAD", "HEAD"
    )


@pytest.mark.asyncio
async def test_salvaging_the_same_again_leaves_the_reference_where_it_is(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    checkout.git("commit", "-q", "--allow-empty", "-m", "Another session went on")

    again, _ = await keep(repo, "s1", label("a.txt"))

    assert again == first


@pytest.mark.asyncio
async def test_other_versions_under_the_same_name_do_not_replace_what_was_kept(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    checkout.write("a.txt", "changed once more\n")

    second, _ = await keep(repo, "s1", label("a.txt"))

    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("s1", "s1-2")
    assert checkout.version(f"{REFS}s1", "a.txt") == b"changed\n"
    assert checkout.version(f"{REFS}s1-2", "a.txt") == b"changed once more\n"


@pytest.mark.asyncio
async def test_a_locked_reference_is_a_refusal_and_changes_nothing(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    checkout.write(f".git/{REFS}s1.lock", "")
    before = checkout.seen()

    with pytest.raises(GitError, match=r"s1\.lock"):
        await keep(repo, "s1", label("a.txt"))

    assert checkout.seen() == before


@pytest.mark.asyncio
async def test_what_no_commit_can_hold_is_named_and_the_rest_is_kept(checkout, tmp_path):
    modified(checkout)
    checkout.write("big.bin", b"x" * 5000)
    (checkout.root / "nested").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=checkout.root / "nested", check=True)
    (checkout.root / "nested/file").write_text("x")
    (checkout.root / "b.txt").unlink()
    os.mkfifo(checkout.root / "b.txt")
    repo = await open_repository(checkout.root)

    kept, snapshot = await keep(repo, "s1", label("a.txt", "b.txt", "big.bin", "nested/"), limit=4096)

    assert kept is not None
    assert kept.label.paths == ("a.txt",)
    assert dict(kept.label.unkept) == {
        "b.txt": "neither a file nor a symbolic link",
        "big.bin": "5000 bytes, over the salvage_limit of 4096",
        "nested/": "a git repository of its own; its files stay where they are",
    }
    found = await find(repo, "s1")
    assert found is not None
    assert found.label == kept.label
    assert snapshot.unkept == kept.label.unkept


@pytest.mark.asyncio
async def test_of_a_submodule_the_commit_is_kept_and_its_own_changes_are_named(checkout, tmp_path):
    inner = Checkout(tmp_path / "inner")
    checkout.git("submodule", "--quiet", "add", str(inner.root), "sub")
    checkout.git("commit", "-qm", "Add a submodule")
    sub = checkout.root / "sub"
    (sub / "a.txt").write_text("moved on\n")
    subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qam", "x"], cwd=sub, check=True
    )
    tip = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=sub, capture_output=True, check=True
    ).stdout.strip()
    (sub / "b.txt").write_text("uncommitted\n")
    repo = await open_repository(checkout.root)

    kept, _ = await keep(repo, "s1", label("sub"))

    assert kept is not None
    assert checkout.git("ls-tree", kept.commit, "sub").split()[2] == tip
    assert "inside this submodule" in kept.label.unkept["sub"]
    cleaned, left = await clean(repo, kept, ["sub"])
    assert cleaned == ()
    assert list(left) == ["sub"]
    assert (sub / "b.txt").read_text() == "uncommitted\n"


@pytest.mark.asyncio
async def test_a_partial_clone_whose_remote_is_away_keeps_work_all_the_same(tmp_path: Path) -> None:
    origin, clone = Checkout(tmp_path / "origin"), tmp_path / "clone"
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{origin.root}", str(clone))
    for command in (["sparse-checkout", "set", "none"], ["checkout", "-q", "main"]):
        subprocess.run(["git", *command], cwd=clone, check=True, timeout=30)
    origin.root.rename(tmp_path / "away")
    (clone / "dir").mkdir()
    (clone / "dir/new.txt").write_text("new\n")
    repo = await open_repository(clone)
    label = Label(session="s1", task="a", outcome="failed", paths=("dir/new.txt",))

    kept, _ = await keep(repo, "s1", label)

    assert kept is not None
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", kept.commit, "dir"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["dir/new.txt", "dir/x.txt", "dir/y.txt"]
