"""One supervisor per checkout, kept by a lock on its git folder that the kernel frees when the process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from supervisor.world.git.repository import Repository, RepositoryError
from supervisor.world.journal.locks import lock_holders


class Checkouts:
    """The checkouts that this supervisor alone serves: two of them would each give out the same files.

    The lock is on the folder itself, so nothing is written into the repository.
    """

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def hold(self, repos: Iterable[Repository]) -> None:
        """Take those that are not held yet, all or none.

        Raises:
            RepositoryError: another supervisor has one.
        """
        taken: list[Path] = []
        for repo in repos:
            if repo.git_dir in self._held:
                continue
            try:
                descriptor = _lock(repo.git_dir)
            except BlockingIOError:
                self._let_go(taken)
                raise RepositoryError(_refusal(repo)) from None
            except OSError:
                continue  # a file system without such locks: nobody could be told apart there
            self._held[repo.git_dir] = descriptor
            taken.append(repo.git_dir)

    def keep(self, repos: Iterable[Repository]) -> None:
        """Give up all others."""
        wanted = {repo.git_dir for repo in repos}
        self._let_go([folder for folder in self._held if folder not in wanted])

    def _let_go(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            os.close(self._held.pop(folder))


def _lock(folder: Path) -> int:
    """Return the descriptor that the lock on a folder hangs on; raises BlockingIOError where another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refusal(repo: Repository) -> str:
    holders = lock_holders(repo.git_dir)
    by = f" (process {holders[0]})" if holders else ""
    return (
        f"{repo.root} is served by another supervisor{by}, with another configuration; end that one, "
        "or take the repository out of one of the two"
    )
