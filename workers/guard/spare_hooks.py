"""Hooks that a session installs while it runs: a guarded session has links for those that were there before."""

from __future__ import annotations

import os


class SpareHooks:
    """Watches the repository's own hooks; `folder` is what git looks in, `spare` has a link for every hook.

    A link costs a process at each commit, so those for which there is no own hook are left out until one may have
    been installed: then all are put in, and each sees for itself what it is to run.
    """

    __slots__ = ("_folder", "_seen", "_spare", "_watched")

    def __init__(self, folder: str, spare: str, git_dir: str) -> None:
        self._folder = folder
        self._spare = spare
        self._watched = (f"{git_dir}/hooks", f"{git_dir}/config")
        self._seen = self._look()

    def mend(self) -> None:
        """Put all links in if the repository's hooks or its configuration have changed."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        for name in os.listdir(self._spare):
            if os.path.islink(f"{self._spare}/{name}") and not os.path.lexists(f"{self._folder}/{name}"):
                os.symlink(os.readlink(f"{self._spare}/{name}"), f"{self._folder}/{name}")

    def _look(self) -> list[int]:
        return [_changed(path) for path in self._watched]


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
