"""Taking out of the checkout what was salvaged: exactly that, and only as long as it is what was kept."""

from __future__ import annotations

import pytest

from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import open_repository
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import keep
from tests.process.salvage.checkout import label, open_repository_of
from tests.process.salvage.kinds import KINDS, deleted, modified, staged

pytestmark = pytest.mark.process


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.asyncio
async def test_cleaning_restores_exactly_the_salvaged_paths_to_the_commit(checkout, kind):
    kind(checkout)
    checkout.write("somebody-elses.txt", "not salvaged\n")
    repo = await open_repository_of(checkout)
    paths = [file.path for file in await dirty(repo) if file.path != "somebody-elses.txt"]
    kept, _ = await keep(repo, "s1", label(*paths))
    assert kept is not None

    cleaned, left = await clean(repo, kept, paths)

    assert (set(cleaned), left) == (set(paths), {})
    assert [file.path for file in await dirty(repo)] == ["somebody-elses.txt"]
    assert checkout.git("fsck", "--strict", "--no-dangling") == b""


@pytest.mark.asyncio
async def test_a_file_that_changed_after_it_was_salvaged_is_not_cleaned(checkout):
    modified(checkout)
    deleted(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt", "b.txt"))
    assert kept is not None
    checkout.write("a.txt", "changed meanwhile\n")

    cleaned, left = await clean(repo, kept, ["a.txt", "b.txt"])

    assert cleaned == ("b.txt",)
    assert left == {"a.txt": "it changed after it was salvaged"}
    assert (checkout.root / "a.txt").read_text() == "changed meanwhile\n"


@pytest.mark.asyncio
async def test_what_is_staged_is_not_cleaned_while_somebody_has_the_index_locked(checkout, monkeypatch):
    monkeypatch.setattr("supervisor.world.git.index_lock._WAITS", (0.01,))
    staged(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt"))
    assert kept is not None
    checkout.write(".git/index.lock", "")

    cleaned, left = await clean(repo, kept, ["a.txt"])

    assert cleaned == ()
    assert "index.lock" in left["a.txt"]
    assert (checkout.root / "a.txt").read_text() == "staged\n"
