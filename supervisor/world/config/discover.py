"""Finding the configuration file, and from it the control socket, without loading either's heavy parts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.world.config.places import FOLDER, NAME, SOCKET, home, runtime_directory, state_directory

if TYPE_CHECKING:
    from supervisor.world.config.models import Settings


_PLACE = re.compile(r"""^\s*(state_dir|runtime_dir)\s*=\s*["']([^"']*)["']""", re.MULTILINE)


class DiscoverError(Exception):
    """There is no configuration, or it does not say where its socket is; one line with the way out."""


def find_config(explicit: str | None, environ: Mapping[str, str], cwd: str | Path) -> Path:
    """Return the configuration file that a command line means.

    Looked at in this order: `explicit`, $LEASEHOLD_CONFIG, the nearest .leasehold/config.toml from `cwd`
    upwards, ~/.config/leasehold/config.toml, /etc/leasehold/config.toml.

    Raises:
        DiscoverError: the named file is missing, or there is none anywhere.
    """
    named = explicit or environ.get("LEASEHOLD_CONFIG")
    if named:
        path = Path(cwd, named)
        if not _is_file(path):
            origin = "-c" if explicit else "LEASEHOLD_CONFIG"
            raise DiscoverError(f"{path}: no such file ({origin} names it); `leasehold init` writes one")
        return path
    here = Path(cwd).resolve()
    settings = Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config")
    candidates = [folder / FOLDER / NAME for folder in (here, *here.parents)]
    candidates += [settings / "leasehold" / NAME, Path("/etc/leasehold", NAME)]
    for candidate in candidates:
        if _is_file(candidate):
            return candidate
    raise DiscoverError(
        f"no configuration found from {here} upwards; `leasehold init` writes one, -c FILE names one"
    )


def socket_path(settings: Settings) -> Path:
    """Return the control socket of a loaded configuration."""
    return settings.supervisor.runtime_dir / SOCKET


def socket_beside(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the control socket that `config` means, reading two of its keys only.

    Raises:
        DiscoverError: the file cannot be read.
    """
    chosen = _chosen(config, environ)
    state_dir = state_directory(config, chosen("state_dir"), environ)
    return runtime_directory(config, chosen("runtime_dir"), state_dir, environ) / SOCKET


def state_beside(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the state directory that `config` means, reading one of its keys only.

    Raises:
        DiscoverError: the file cannot be read.
    """
    return state_directory(config, _chosen(config, environ)("state_dir"), environ)


def _chosen(config: Path, environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """Return what finds a key of [supervisor] in the environment or the file."""
    try:
        text = config.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DiscoverError(f"{config}: {error}; `leasehold check` says more") from error
    try:
        section = tomllib.loads(text).get("supervisor")
    except tomllib.TOMLDecodeError:
        # A supervisor that keeps its last good configuration must be reachable just now, to say so.
        section = dict(_PLACE.findall(text))
    keys = section if isinstance(section, dict) else {}

    def chosen(key: str) -> str | None:
        variable = f"LEASEHOLD__SUPERVISOR__{key}".upper()
        given = next((value for name, value in environ.items() if name.upper() == variable), keys.get(key))
        return given if isinstance(given, str) else None

    return chosen


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above it that may not be searched
        return False
