"""What a session's folder must not keep when the session is over: its environment, and its capability."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from supervisor.world.launch.tail import head_of

_MOST = 1 << 26  # bytes of a specification
SPECS = ("spec.json", "spec.json.withdrawn")


def forget_secrets(folder: Path) -> None:
    """Take the environment out of the session's specification; the names stay, for whoever looks into a failure.

    Raises:
        OSError: it could not be written; it is as it was.
    """
    for name in SPECS:
        path = folder / name
        try:
            content = json.loads(head_of(path, _MOST))
        except (ValueError, RecursionError):
            continue
        if not isinstance(content, dict):
            continue
        content["env"] = dict.fromkeys(content.get("env") or {}, "")
        if isinstance(content.get("guard"), dict):
            content["guard"] |= {"token": "", "env": {}}
        _replace(path, json.dumps(content))


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(
            new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
