"""What is installed already: whose, for which configuration, and whether it is what would be installed now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.systemd.install.site import SERVICE, Site

_KEY = re.compile(r"^(Version|Account|Config|State)=(.*)$", re.MULTILINE)
_SECTION = "\n[X-Leasehold]\n"
_STOP = re.compile(r"^TimeoutStopSec=(\d+|infinity)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Installation:
    """What an earlier `leasehold systemd install` wrote; `stop_seconds` bounds the end of its service."""

    version: str
    account: str
    config: Path
    state: Path
    stop_seconds: float


@dataclass(frozen=True, slots=True)
class Foreign:
    """A unit of our name that somebody else wrote."""

    path: Path


def look_at_installation(site: Site) -> Installation | Foreign | None:
    """Return what is installed at `site`; `None` when nothing is.

    Raises:
        OSError: the unit is there and cannot be read.
    """
    path = site.units / SERVICE
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    _, found, own = text.partition(_SECTION)
    keys = dict(_KEY.findall(own))
    if not found or not {"Version", "Account", "Config", "State"} <= keys.keys():
        return Foreign(path)
    stop = _STOP.search(text)
    return Installation(
        version=keys["Version"],
        account=keys["Account"],
        config=Path(keys["Config"].replace("%%", "%")),
        state=Path(keys["State"].replace("%%", "%")),
        stop_seconds=float(stop[1]) if stop else 90.0,
    )
