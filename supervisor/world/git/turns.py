"""Turns at git: sessions in one checkout change its index one after the other, not all but one in vain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import workers
from supervisor.world.git.hooks import HooksError, install_hooks

_SCRIPT = "git"


def install_programs(folder: Path) -> None:
    """Write the hooks, and below them the `git` that takes turns, into `folder`.

    Raises:
        HooksError: the folder cannot be written.
    """
    install_hooks(folder)
    install_turns(folder / "bin")


def install_turns(folder: Path) -> None:
    """Write the `git` that takes turns into `folder`; doing it again refreshes it.

    Raises:
        HooksError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f".{_SCRIPT}.new"
        fresh.write_bytes((Path(workers.__file__).parent / "hooks" / _SCRIPT).read_bytes())
        fresh.chmod(0o700)
        fresh.replace(folder / _SCRIPT)
    except OSError as error:
        raise HooksError(f"the git of sessions cannot be written to {folder}: {error.strerror}") from error


def turns_environment(folder: Path, lock: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a session finds that `git` first; `lock` is one file per repository."""
    path = inherited.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {"PATH": f"{folder}:{path}", "LEASEHOLD_GIT_LOCK": str(lock)}
