"""Where a configuration puts its state, its sockets, and what its relative paths start from.

Nothing heavy is imported here: the command line finds the control socket by these rules at every call.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = ".leasehold"
SYSTEM = Path("/etc/leasehold")  # a configuration here is the host's: its places do not depend on who asks
SYSTEM_STATE = Path("/var/lib/leasehold")
SYSTEM_RUNTIME = Path("/run/leasehold")
NAME = "config.toml"
SOCKET = "ctl.sock"
_SOCKET_PATH = 100  # bytes; the kernel allows 107


def folder_of(config: Path) -> Path:
    """Return the real folder in which a configuration lies; the file itself may be a link into another."""
    return Path(os.path.abspath(config)).parent.resolve()  # noqa: PTH100  - Path.absolute() keeps ".."


def base_directory(config: Path) -> Path:
    """Return what relative paths in a configuration start from: its folder, or the one around .leasehold."""
    folder = folder_of(config)
    return folder.parent if folder.name == FOLDER else folder


def absolute(text: str, base: Path, environ: Mapping[str, str]) -> Path:
    """Return the real path that `text` means: `~` is the home directory, relative ones start at `base`.

    One with a NUL, which no system call takes, comes back as it is, to be refused where faults are told.
    """
    if "\0" in text:
        return Path(text)
    if text == "~" or text.startswith("~/"):
        text = f"{home(environ)}{text[1:]}"
    return Path(base, text).resolve()


def home(environ: Mapping[str, str]) -> Path:
    """Return the home directory."""
    return Path(environ.get("HOME") or Path.home())


def state_directory(config: Path, chosen: str | None, environ: Mapping[str, str]) -> Path:
    """Return the state directory: `chosen` in the file, .leasehold/state beside it, the host's or the user's."""
    if chosen is not None:
        return absolute(chosen, base_directory(config), environ)
    folder = folder_of(config)
    if folder.name == FOLDER:
        return folder / "state"
    if folder == SYSTEM:
        return SYSTEM_STATE
    return Path(environ.get("XDG_STATE_HOME") or home(environ) / ".local" / "state", "leasehold").resolve()


def runtime_directory(config: Path, chosen: str | None, state_dir: Path, environ: Mapping[str, str]) -> Path:
    """Return the runtime directory: `chosen` in the file, the host's, or a short one per state directory."""
    if chosen is not None:
        return absolute(chosen, base_directory(config), environ)
    if folder_of(config) == SYSTEM:
        return SYSTEM_RUNTIME
    mark = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    run = environ.get("XDG_RUNTIME_DIR")
    if run and Path(run).is_dir():
        return Path(run, "leasehold", mark)
    own = Path(f"/run/user/{os.getuid()}", "leasehold", mark)
    if (own / SOCKET).exists():  # of a user's service; a shell without a login lacks the variable
        return own
    return Path(f"/tmp/leasehold-{os.getuid()}", mark)  # noqa: S108  - made with mode 0700 by its owner


def too_long(socket: Path) -> bool:
    """Tell whether a socket at this path could not be bound everywhere."""
    return len(os.fsencode(socket)) >= _SOCKET_PATH
