"""An installation under way: what it replaces is noted first, so that one that was cut short can be finished or undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from supervisor.world.systemd.install.site import Site

_MARK = ".leasehold-installing"


def mark_of(site: Site) -> Path:
    """Return where the note of an installation under way is; systemd reads no such name."""
    return site.units / _MARK


def replaced_before(site: Site) -> dict[Path, str | None]:
    """Return what an installation that was cut short had replaced: each file's text before, `None` where there was no file.

    Raises:
        OSError: the note is there and cannot be read.
    """
    try:
        noted = json.loads(mark_of(site).read_text(encoding="utf-8"))
        return {Path(path): text for path, text in noted.items() if text is None or isinstance(text, str)}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def as_note(before: Mapping[Path, str | None]) -> str:
    """Return the text of the note."""
    return json.dumps({str(path): text for path, text in before.items()}, indent=1) + "\n"
