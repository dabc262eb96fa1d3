"""Hooks that a session installs while it runs: a guarded session has links for those that were there before."""

from __future__ import annotations

import os


class SpareHooks:
    """Watches the repository's own hooks in `own`; `folder` is what git looks in, `spare` has a link for every hook.

    A link costs a process at each commit, so those for which there is no own hook are left out until one is installed.
    When the configuration changes, `own` may be another folder: then all are put in, and each sees for itself what it
    is to run.
    """

    __slots__ = ("_configured", "_folder", "_missing", "_own", "_spare", "_watched")

    def __init__(self, folder: str, spare: str, own: str, git_dir: str) -> None:
        self._folder = folder
        self._spare = spare
        self._own = own
        self._watched = (f"{git_dir}/config", f"{git_dir}/config.worktree")
        self._configured = self._look()
        self._missing = [
            name
            for name in os.listdir(spare)
            if os.path.islink(f"{spare}/{name}") and not os.path.lexists(f"{folder}/{name}")
        ]

    def mend(self) -> None:
        """Put in the links of hooks that have been installed, or all if the configuration has changed."""
        if not self._missing:
            return
        configured = self._look()
        if configured != self._configured:
            self._configured = configured
            wanted = self._missing
        else:
            wanted = [name for name in self._missing if os.access(f"{self._own}/{name}", os.X_OK)]
        for name in wanted:
            if not os.path.lexists(f"{self._folder}/{name}"):  # another session may have been here
                os.symlink(os.readlink(f"{self._spare}/{name}"), f"{self._folder}/{name}")
        self._missing = [name for name in self._missing if name not in wanted]

    def _look(self) -> list[int]:
        return [_changed(path) for path in self._watched]


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
