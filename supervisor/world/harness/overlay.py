"""An account's settings with a session's laid over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger("leasehold")


def laid_over(ours: bytes, theirs: Path) -> bytes:
    """Return the JSON settings of a file with `ours` over them; ours alone, and a line in the log, where it is no JSON."""
    try:
        below = json.loads(theirs.read_bytes())
    except FileNotFoundError:
        return ours
    except (OSError, ValueError) as error:
        log.warning("harness.settings_unread", path=str(theirs), why=str(error))
        return ours
    return json.dumps(_merged(below, json.loads(ours)), indent=1).encode()


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above
    return below | {
        key: _merged(below[key], value) if key in below else value for key, value in above.items()
    }
