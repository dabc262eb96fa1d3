"""A home of the session's own: what it needs of the account's, and what an earlier session left for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from supervisor.world.harness.adapter import Start

GIT = (".gitconfig", ".config/git", ".ssh", ".gnupg", ".netrc")  # who commits, and how it reaches a remote


def own_home(
    start: Start, credentials: Iterable[str], *, keep: Iterable[str] = ()
) -> tuple[dict[str, str], dict[str, Path]]:
    """Return variables and links of a home that is the session's own; nothing where the account's is used.

    `credentials` are files of the account's home that the harness logs in with; `keep` are folders in which it
    remembers its sessions, taken over from the session that goes on.
    """
    if not start.own:
        return {}, {}
    env = {
        "HOME": str(start.home),
        "XDG_CONFIG_HOME": str(start.home / ".config"),
        "XDG_DATA_HOME": str(start.home / ".local/share"),
        "XDG_STATE_HOME": str(start.home / ".local/state"),
    }
    links = {name: start.user / name for name in (*GIT, *credentials)}
    return env, links | remembered(start, keep)


def remembered(start: Start, folders: Iterable[str]) -> dict[str, Path]:
    """Return links to what an earlier session left, when that one is to go on."""
    if start.resume and start.before is not None:
        return {name: start.before / name for name in folders}
    return {}
