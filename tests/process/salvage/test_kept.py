"""What was kept, looked at later: found whole or not at all, and told from what landed since."""

from __future__ import annotations

import subprocess

import pytest

from supervisor.world.git.repository import open_repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.keep import contains, find, is_landed, keep, store
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.snapshot import Snapshot, tree_of
from tests.process.salvage.checkout import Checkout, label
from tests.process.salvage.kinds import deleted, modified, untracked

pytestmark = pytest.mark.process


@pytest.mark.asyncio
async def test_a_salvage_has_landed_when_the_commit_has_all_of_it(checkout):
    modified(checkout)
    untracked(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt", "empty", "new/deep/file.txt"))
    assert kept is not None
    assert not await is_landed(repo, kept)

    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "Land it")

    assert await is_landed(repo, kept)


@pytest.mark.asyncio
async def test_a_later_salvage_that_has_all_of_an_earlier_one_contains_it(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    deleted(checkout)
    second, _ = await keep(repo, "s2", label("a.txt", "b.txt", session="s2"))
    assert first is not None
    assert second is not None

    assert await contains(repo, second, first)
    assert not await contains(repo, first, second)


@pytest.mark.asyncio
async def test_more_paths_than_a_message_lists_are_read_from_the_commit(checkout):
    names = [f"many/{number:04}" for number in range(1200)]
    for name in names:
        checkout.write(name, name)
    repo = await open_repository(checkout.root)
    await keep(repo, "s1", label(*names))

    found = await find(repo, "s1")

    assert found is not None
    assert list(found.label.paths) == names


@pytest.mark.asyncio
async def test_a_salvage_of_which_git_pruned_something_meanwhile_is_none(checkout: Checkout) -> None:
    repo = await open_repository(checkout.root)
    base = checkout.git("rev-parse", "HEAD").decode().strip()
    gone = f"100644 blob {'1' * 40}\tgone.txt\n".encode()
    tree = subprocess.run(
        ["git", "mktree", "--missing"], cwd=checkout.root, input=gone, capture_output=True, check=True
    )
    label = Label(session="s1", task="a", outcome="failed")
    snapshot = Snapshot(base, await tree_of(repo, base), tree.stdout.decode().strip(), None, (), {})

    with pytest.raises(GitError, match="not all there"):
        await store(repo, "s1", label, snapshot)

    assert await find(repo, "s1") is None
