"""A work tree that is made when something needs one, and thrown away afterwards."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from supervisor.world.git.integrate.settings import environment
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import git
from supervisor.world.git.worktrees import LIMIT, make, remove, worktree_of
from supervisor.world.threads import in_thread

# Begins the names of these work trees. Without a dot: git would call its own folder otherwise.
SCRATCH = "integrating-"


@dataclass(slots=True)
class Scratch:
    """A work tree of `repo` at `place`, on no branch. Commits that follow on as they are need none."""

    repo: Repository
    place: Path
    _tree: Repository | None = None

    async def at(self, commit: str) -> Repository:
        """Return the work tree with exactly the files of a commit: what a check left there is removed.

        Raises:
            GitError: git cannot make it.
            OSError: there is no room for it.
        """
        if self._tree is None:
            folder = self.place.parent
            await in_thread(lambda: folder.mkdir(mode=0o700, parents=True, exist_ok=True))
            await make(self.repo, self.place, "--detach", commit)
            self._tree = worktree_of(self.repo, self.place, self.place.name)
        else:
            env = await environment(self._tree)
            command = ("checkout", "-q", "--force", "--detach", commit)
            await git(self._tree.root, *command, timeout=LIMIT, extra_env=env)
            await git(self._tree.root, "clean", "-q", "-ffdx", timeout=LIMIT, extra_env=env)
        return self._tree


@contextlib.asynccontextmanager
async def scratch(repo: Repository, folder: Path) -> AsyncIterator[Scratch]:
    """Return a work tree below `folder` that is removed afterwards, if it was made at all."""
    made = Scratch(repo, folder / f"{SCRATCH}{secrets.token_hex(4)}")
    try:
        yield made
    finally:
        with anyio.CancelScope(shield=True), contextlib.suppress(OSError):
            await remove(repo, made.place)


async def remove_scratch(repo: Repository, folder: Path) -> None:
    """Remove what integrations that were cut short left in `folder`; nothing in them is anybody's work."""

    def listed() -> list[Path]:
        return sorted(folder.glob(f"{SCRATCH}*")) if folder.is_dir() else []

    for place in await in_thread(listed):
        with contextlib.suppress(OSError):
            await remove(repo, place)
