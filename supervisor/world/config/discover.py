"""Finding the configuration file, and from it the control socket, without loading either's heavy parts."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.world.config.models import Settings

FOLDER = ".leasehold"
NAME = "config.toml"
_SOCKET_PATH = 100  # bytes; the kernel allows 107, and workers' sockets have longer names


class DiscoverError(Exception):
    """There is no configuration, or it does not say where its socket is; one line with the way out."""


def find_config(explicit: str | None, environ: Mapping[str, str], cwd: str | Path) -> Path:
    """Return the configuration file that a command line means.

    Raises:
        DiscoverError: the named file is missing, or there is none anywhere.
    """
    named = explicit or environ.get("LEASEHOLD_CONFIG")
    if named:
        path = Path(cwd, named)
        if not path.is_file():
            raise DiscoverError(f"{path}: no such file; name another with -c or LEASEHOLD_CONFIG")
        return path
    here = Path(cwd).resolve()
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/"), ".config"))
    candidates = [folder / FOLDER / NAME for folder in (here, *here.parents)]
    candidates += [home / "leasehold" / NAME, Path("/etc/leasehold", NAME)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DiscoverError(
        f"no configuration found from {here} upwards; `leasehold init` writes one, -c FILE names one"
    )


def base_directory(config: Path) -> Path:
    """Return what relative paths in a configuration start from: its folder, or the one around .leasehold."""
    folder = config.resolve().parent
    return folder.parent if folder.name == FOLDER else folder


def default_state_dir(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the state directory of a configuration that names none."""
    folder = config.resolve().parent
    if folder.name == FOLDER:
        return folder / "state"
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/"), ".local", "state")
    return Path(home, "leasehold")


def default_runtime_dir(state_dir: Path, environ: Mapping[str, str]) -> Path:
    """Return the runtime directory of a configuration that names none: short, and one per state directory."""
    mark = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    run = environ.get("XDG_RUNTIME_DIR")
    if run and Path(run).is_dir():
        return Path(run, "leasehold", mark)
    return Path(f"/tmp/leasehold-{os.getuid()}", mark)  # noqa: S108  - made with mode 0700 by its owner


def socket_path(settings: Settings) -> Path:
    """Return the control socket of a loaded configuration."""
    return settings.supervisor.runtime_dir / "ctl.sock"


def socket_beside(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the control socket that `config` means, reading two of its keys only.

    Raises:
        DiscoverError: the file cannot be read.
    """
    try:
        data = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DiscoverError(f"{config}: {error}; `leasehold check` says more") from error
    section = data.get("supervisor")
    keys = section if isinstance(section, dict) else {}
    base = base_directory(config)

    def chosen(key: str) -> Path | None:
        value = environ.get(f"LEASEHOLD__SUPERVISOR__{key.upper()}") or keys.get(key)
        return Path(base, Path(value).expanduser()) if isinstance(value, str) else None

    state_dir = chosen("state_dir") or default_state_dir(config, environ)
    return (chosen("runtime_dir") or default_runtime_dir(state_dir, environ)) / "ctl.sock"


def too_long(path: Path) -> bool:
    """Tell whether a socket at this path could not be bound everywhere."""
    return len(os.fsencode(path)) > _SOCKET_PATH
