"""The environment of a session: the supervisor's own, less what is the supervisor's alone."""

from __future__ import annotations

from collections.abc import Mapping

from workers.session.notify import PRIVATE

# What systemd gives to one process and no other, and what would make git or Python behave for another place.
_PRIVATE = PRIVATE | {
    "CREDENTIALS_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_CONFIG_PARAMETERS",
    "VIRTUAL_ENV_PROMPT",
    "PWD",  # where the supervisor was started; some programs believe it rather than the kernel
    "OLDPWD",
}


def session_base(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a session inherits: all but private variables and those of Leasehold itself."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _PRIVATE and not name.startswith("LEASEHOLD")
    }
