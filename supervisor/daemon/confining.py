"""Whether a session is confined to folders of its own, and to which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from supervisor.core.sessions.roster import Intent
from supervisor.daemon.equipping import fetched_folder
from supervisor.world.config.models import Settings
from supervisor.world.git.repository import Repository
from supervisor.world.launch.confinement import Apart, writable


def confinement(
    settings: Settings,
    intent: Intent,
    repo: Repository | None,
    checkout: Path,
    folder: Path,
    env: Mapping[str, str],
) -> tuple[Path, ...] | None:
    """Return the paths at and below which alone a session may write; `None` where it is not confined.

    `repo` is its work tree, `folder` the session's own. Git's shared folder is among them as a whole, since git makes
    and renames files such as packed-refs.lock at its top.

    Raises:
        LaunchError: what must be kept from it is in one of them.
    """
    asked = settings.repos.get(intent.repo)
    if repo is None or asked is None or not (asked.confine and settings.harness[intent.harness].confine):
        return None
    if not intent.target:
        return None  # of before a reload: it works in the checkout itself
    own = (repo.root, repo.common_dir, folder, *filter(Path.is_dir, (fetched_folder(folder.parent.parent),)))
    return writable(own, asked.confine_writable, Apart(checkout, repo.root.parent), env)
